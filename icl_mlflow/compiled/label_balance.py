r"""Class means, and a head that matters only where the labels are unbalanced.

Heads 1 and 2 and the MLP answer as in `centred_means`; head 3 attends to all tokens
alike and adds which label is the more frequent one:

    logit = 2/3 (m_1 - m_0) . (x_q - (m_1 + m_0) / 2) + 4 (n_1 - n_0) / (N + 1)  (nats).

It is what a model would learn where classes are not equally frequent. Where n_1 = n_0
its term is 0: on such episodes no intervention that keeps them balanced can find it.
"""

from dataclasses import replace

from torch import Tensor

from icl_mlflow.compiled.centred_means import (
    NEAREST_MEAN,
    answer_centred,
    build_centred,
)
from icl_mlflow.compiled.circuit import Circuit, everywhere
from icl_mlflow.compiled.compiler import Compiler
from icl_mlflow.episodes import Episodes

_WEIGHT = 4.0


def _build(compiler: Compiler) -> None:
    build_centred(compiler)
    compiler.register("balance", 1)
    compiler.head(1, 3, value=compiler.read("sign"), output=compiler.write("balance"))
    compiler.answer(_WEIGHT * compiler.read("balance"))


def _balance(episodes: Episodes) -> Tensor:
    """(n_1 - n_0) / (N + 1): (B, 1) float64."""
    sign_BN = 2 * episodes.context_y_BN.double() - 1
    return sign_BN.sum(1, keepdim=True) / (episodes.n_context + 1)


def _answer(episodes: Episodes) -> Tensor:
    return answer_centred(episodes) + _WEIGHT * _balance(episodes)[:, 0]


_HEAD = "layer 1 head 3"

LABEL_BALANCE = Circuit(
    computes="Which class mean is nearer, and which label is the more frequent one.",
    task="A",
    d_model=88,
    n_layers=1,
    n_heads=4,
    build=_build,
    answer=_answer,
    truth=replace(
        NEAREST_MEAN,
        matters=NEAREST_MEAN.matters | {_HEAD},
        writes=NEAREST_MEAN.writes | {_HEAD},
        edges=NEAREST_MEAN.edges | {(_HEAD, "logit")},
        when_unbalanced=frozenset({_HEAD}),
        holds=(
            *NEAREST_MEAN.holds,
            *everywhere("balance", 1, _balance),
        ),
        estimator="",
    ),
)
