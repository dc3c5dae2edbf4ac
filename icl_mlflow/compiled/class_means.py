r"""The difference of the class means, by attention that is uniform over a class.

Two heads of the first block attend to the points of one class each, all alike, and
write the difference of the class means m_1 - m_0 at the query's token; the MLP after
them multiplies it with the query:

    logit = 2/3 (m_1 - m_0) . x_q    (nats).

The factor makes log-odds of it at the size that the models have, 16 dimensions and 32
points: there the difference of the means is longer than what it estimates, by a half
in its square. Where all points have the same shift, a model that does not take it off
is lost; so the episodes it is made for have none. The mean of a class without points
is 0.
"""

import torch
from torch import Tensor

from icl_mlflow.compiled.circuit import Circuit, Truth, everywhere
from icl_mlflow.compiled.compiler import Compiler
from icl_mlflow.episodes import Episodes

#: Scores by which a class's points stand out: e^-30 of the attention goes elsewhere.
_SHARPNESS = 30.0
#: Of the coordinates of a difference of class means and of a point, together.
SIZE = 2.0
#: What makes log-odds of products with the difference of class means.
SHRUNK = 2 / 3


def keep_points(compiler: Compiler) -> None:
    """Points, labels and what all circuits of class means compute with them."""
    dim = compiler.architecture.dim
    for name, width in {"x": dim, "query": dim, "sign": 1, "answer": 1}.items():
        compiler.register(name, width)
    compiler.points(context="x", query="query")
    compiler.signs("sign")


def class_head(
    compiler: Compiler,
    layer: int,
    head: int,
    label: int,
    *,
    value: Tensor,
    output: Tensor,
) -> None:
    """A head that takes the mean of ``value`` over the points of one class."""
    towards = 2 * label - 1
    compiler.head(
        layer,
        head,
        query=compiler.constant(_SHARPNESS * towards),
        key=compiler.read("sign"),
        value=value,
        output=output,
    )


def class_mean(episodes: Episodes, label: int, value_BNK: Tensor) -> Tensor:
    """The mean of a value over the points of a class, 0 where it has none: (B, K)."""
    member_B1N = (episodes.context_y_BN == label).double().unsqueeze(1)
    count_B1 = member_B1N.sum(-1)
    return (member_B1N @ value_BNK.double())[:, 0] / count_B1.clamp_min(1)


def means_apart(episodes: Episodes) -> Tensor:
    """The difference of the class means, m_1 - m_0: (B, D) float64."""
    x_BND = episodes.context_x_BND
    return class_mean(episodes, 1, x_BND) - class_mean(episodes, 0, x_BND)


def _build(compiler: Compiler) -> None:
    keep_points(compiler)
    compiler.answer(SHRUNK * compiler.read("answer"))
    compiler.register("apart", compiler.architecture.dim)
    x, apart = compiler.read("x"), compiler.write("apart")
    class_head(compiler, 1, 1, label=1, value=x, output=apart)
    class_head(compiler, 1, 2, label=0, value=x, output=-apart)
    ones = torch.ones(1, len(x), dtype=torch.float64)
    compiler.multiply(
        1,
        compiler.read("apart"),
        compiler.read("query"),
        compiler.write("answer") @ ones,
        size=SIZE,
    )


def _answer(episodes: Episodes) -> Tensor:
    return SHRUNK * (means_apart(episodes) * episodes.query_x_BD.double()).sum(-1)


_HEADS = frozenset({"layer 1 head 1", "layer 1 head 2"})
_MLP = "layer 1 MLP"

CLASS_MEANS = Circuit(
    computes="The query's product with the difference of the class means.",
    task="A",
    task_parameters={"tau": 0.0},
    d_model=64,
    n_layers=1,
    n_heads=4,
    build=_build,
    answer=_answer,
    truth=Truth(
        matters=_HEADS | {_MLP},
        writes=frozenset({_MLP}),
        edges=frozenset({(head, _MLP) for head in _HEADS} | {(_MLP, "logit")}),
        symmetries=frozenset({"rotation", "classes"}),
        holds=everywhere("means_apart", 1, means_apart),
    ),
)
