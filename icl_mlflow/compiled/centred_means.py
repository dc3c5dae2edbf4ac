r"""The difference of the class means, centred: the nearest class mean.

As `class_means`, but the heads also write half of the sum of both means, and the MLP
multiplies by the query's place relative to it:

    logit = 2/3 (m_1 - m_0) . (x_q - (m_1 + m_0) / 2)    (nats),

which no shift of all points changes: the discriminant with the identity for a
covariance, `lda_identity` among the estimators.
"""

import torch
from torch import Tensor

from icl_mlflow.compiled.circuit import Circuit, Truth, everywhere
from icl_mlflow.compiled.class_means import (
    SHRUNK,
    SIZE,
    class_head,
    class_mean,
    keep_points,
    means_apart,
)
from icl_mlflow.compiled.compiler import Compiler
from icl_mlflow.episodes import Episodes


def build_centred(compiler: Compiler) -> None:
    """Two heads and an MLP of the first block for the nearest class mean."""
    keep_points(compiler)
    compiler.answer(SHRUNK * compiler.read("answer"))
    dim = compiler.architecture.dim
    compiler.register("apart", dim)
    compiler.register("middle", dim)
    x, apart = compiler.read("x"), compiler.write("apart")
    half = compiler.write("middle") / 2
    class_head(compiler, 1, 1, label=1, value=x, output=apart + half)
    class_head(compiler, 1, 2, label=0, value=x, output=half - apart)
    ones = torch.ones(1, dim, dtype=torch.float64)
    compiler.multiply(
        1,
        compiler.read("apart"),
        compiler.read("query") - compiler.read("middle"),
        compiler.write("answer") @ ones,
        size=SIZE,
    )


def middle(episodes: Episodes) -> Tensor:
    """Half of the sum of the class means: (B, D) float64."""
    x_BND = episodes.context_x_BND
    return (class_mean(episodes, 1, x_BND) + class_mean(episodes, 0, x_BND)) / 2


def answer_centred(episodes: Episodes) -> Tensor:
    """2/3 (m_1 - m_0) . (x_q - (m_1 + m_0) / 2): (B,) float64, nats."""
    offset_BD = episodes.query_x_BD.double() - middle(episodes)
    return SHRUNK * (means_apart(episodes) * offset_BD).sum(-1)


_HEADS = frozenset({"layer 1 head 1", "layer 1 head 2"})
_MLP = "layer 1 MLP"

#: What holds of every circuit that is built on `build_centred`.
NEAREST_MEAN = Truth(
    matters=_HEADS | {_MLP},
    writes=frozenset({_MLP}),
    edges=frozenset({(head, _MLP) for head in _HEADS} | {(_MLP, "logit")}),
    symmetries=frozenset({"rotation", "classes", "translation"}),
    holds=(
        *everywhere("means_apart", 1, means_apart),
        *everywhere("middle", 1, middle),
    ),
    estimator="lda_identity",
)

CENTRED_MEANS = Circuit(
    computes="Which class mean is nearer to the query.",
    task="A",
    d_model=88,
    n_layers=1,
    n_heads=4,
    build=build_centred,
    answer=answer_centred,
    truth=NEAREST_MEAN,
)
