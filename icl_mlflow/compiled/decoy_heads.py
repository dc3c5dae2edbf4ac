r"""The nearest class mean, beside three heads that look as if they mattered.

Heads 1 and 2 are those of `centred_means`, and so is the answer. Of the others

    head 3  is loud: it copies class means, scaled up, to where nobody reads them;
    head 4  always says the same: it writes a constant into the answer;
    head 5  copies labels into the answer, by its weights; but it attends to the query's
            token alone, which has none: all it writes is minus that constant.

Whoever judges by the size of outputs, by the harm of setting outputs to zero or by
weights alone is led astray: only what differs between episodes can matter.
"""

from icl_mlflow.compiled.centred_means import (
    NEAREST_MEAN,
    answer_centred,
    build_centred,
)
from icl_mlflow.compiled.circuit import Circuit
from icl_mlflow.compiled.compiler import Compiler

#: How much louder than the others, and the constant, of which the read-out takes 2/3.
_LOUD, _CONSTANT = 5.0, 3.0
#: Scores by which the query's token stands out.
_SHARPNESS = 30.0


def _build(compiler: Compiler) -> None:
    build_centred(compiler)
    compiler.register("unread", compiler.architecture.dim)
    compiler.register("is_query", 1)
    compiler.mark_query("is_query")
    is_query, answer = compiler.read("is_query"), compiler.write("answer")
    compiler.head(
        1,
        3,
        query=compiler.constant(_SHARPNESS),
        key=compiler.read("sign"),
        value=_LOUD * compiler.read("x"),
        output=compiler.write("unread"),
    )
    constant = compiler.constant(_CONSTANT)
    compiler.head(1, 4, value=constant, output=answer)
    attend = {"query": compiler.constant(_SHARPNESS), "key": is_query}
    copied = compiler.read("sign") - constant
    compiler.head(1, 5, **attend, value=copied, output=answer)


DECOY_HEADS = Circuit(
    computes="Which class mean is nearer to the query; three heads look busy.",
    task="A",
    d_model=110,
    n_layers=1,
    n_heads=5,
    build=_build,
    answer=answer_centred,
    truth=NEAREST_MEAN,
)
