r"""A path through two layers: centre, multiply by the labels, sum, compare.

Head 1.1 attends to all tokens alike and writes the mean of all points, the query among
them; the MLP of the first block multiplies each centred context point with its sign
s_i. Head 2.1 takes the mean over all tokens, and the second MLP multiplies:

    x' = mean of all N + 1 points,    V = sum_i s_i (x_i - x') / (N + 1),
    logit = 4/3 V . (x_q - x')    (nats).

V is along the mean direction that exact Bayes of task A finds where shifts are large.
"""

import torch
from torch import Tensor

from icl_mlflow.compiled.circuit import Circuit, Truth, everywhere
from icl_mlflow.compiled.class_means import SHRUNK, SIZE
from icl_mlflow.compiled.compiler import Compiler
from icl_mlflow.episodes import Episodes

#: V is half of a difference of class means.
_WEIGHT = 2 * SHRUNK


def _build(compiler: Compiler) -> None:
    dim = compiler.architecture.dim
    widths = {"x": dim, "mean": dim, "signed": dim, "V": dim, "sign": 1, "answer": 1}
    for name, width in widths.items():
        compiler.register(name, width)
    compiler.points(context="x", query="x")
    compiler.signs("sign")
    x, write = compiler.read("x"), compiler.write
    compiler.head(1, 1, value=x, output=write("mean"))
    centred = x - compiler.read("mean")
    # At the query's token the sign is 0, and so is the product.
    sign = compiler.read("sign").expand_as(centred)
    compiler.multiply(1, sign, centred, write("signed"), size=SIZE)
    compiler.head(2, 1, value=compiler.read("signed"), output=write("V"))
    ones = torch.ones(1, dim, dtype=torch.float64)
    compiler.multiply(2, compiler.read("V"), centred, write("answer") @ ones, size=SIZE)
    compiler.answer(_WEIGHT * compiler.read("answer"))


def _mean(episodes: Episodes) -> Tensor:
    """The mean of all points, the query among them: (B, D) float64."""
    total_BD = episodes.context_x_BND.double().sum(1) + episodes.query_x_BD.double()
    return total_BD / (episodes.n_context + 1)


def _signed_mean(episodes: Episodes) -> Tensor:
    """V: (B, D) float64."""
    sign_B1N = 2 * episodes.context_y_BN.double().unsqueeze(1) - 1
    centred_BND = episodes.context_x_BND.double() - _mean(episodes).unsqueeze(1)
    return (sign_B1N @ centred_BND)[:, 0] / (episodes.n_context + 1)


def _answer(episodes: Episodes) -> Tensor:
    centred_BD = episodes.query_x_BD.double() - _mean(episodes)
    return _WEIGHT * (_signed_mean(episodes) * centred_BD).sum(-1)


_PATH = ("layer 1 head 1", "layer 1 MLP", "layer 2 head 1", "layer 2 MLP")
_MEAN, _SIGNED, _SUM, _PRODUCT = _PATH

TWO_LAYERS = Circuit(
    computes="The centred query's product with the sum of centred, signed points.",
    task="A",
    d_model=88,
    n_layers=2,
    n_heads=4,
    build=_build,
    answer=_answer,
    truth=Truth(
        matters=frozenset(_PATH),
        writes=frozenset({_PRODUCT}),
        edges=frozenset(
            {
                (_MEAN, _SIGNED),
                (_SIGNED, _SUM),
                (_SUM, _PRODUCT),
                (_MEAN, _PRODUCT),
                (_PRODUCT, "logit"),
            }
        ),
        symmetries=frozenset({"rotation", "classes", "translation"}),
        holds=(
            *everywhere("mean", 1, _mean),
            *everywhere("mean", 2, _mean),
            *everywhere("signed_mean", 2, _signed_mean),
        ),
    ),
)
