r"""Sums of squares, for task B: which class has the query's length.

The MLP of the first block squares every coordinate of every point. Two heads of the
second take the mean square of a class's points, m_c = mean |x_i|^2 / D, and the MLP
after them compares:

    logit = 1/3 (m_1 - m_0) (|x_q|^2 / D - (m_1 + m_0) / 2)    (nats).

No classical estimator of this package answers so.
"""

import torch
from torch import Tensor

from icl_mlflow.compiled.circuit import Circuit, Held, Truth, everywhere
from icl_mlflow.compiled.class_means import class_head, class_mean, keep_points
from icl_mlflow.compiled.compiler import Compiler
from icl_mlflow.episodes import Episodes

#: Of a coordinate, and of a mean of squares.
_POINT, _SQUARE = 3.0, 8.0
#: What makes log-odds of it, as well as they can be.
_WEIGHT = 1 / 3


def _build(compiler: Compiler) -> None:
    keep_points(compiler)
    compiler.answer(_WEIGHT * compiler.read("answer"))
    for name in ("square", "query_square", "apart", "middle"):
        compiler.register(name, 1)
    dim = compiler.architecture.dim
    mean = torch.full((1, dim), 1 / dim, dtype=torch.float64)
    for points, name in (("x", "square"), ("query", "query_square")):
        output = compiler.write(name) @ mean
        compiler.square(1, compiler.read(points), output, size=_POINT)
    square, apart = compiler.read("square"), compiler.write("apart")
    half = compiler.write("middle") / 2
    class_head(compiler, 2, 1, label=1, value=square, output=apart + half)
    class_head(compiler, 2, 2, label=0, value=square, output=half - apart)
    compiler.multiply(
        2,
        compiler.read("apart"),
        compiler.read("query_square") - compiler.read("middle"),
        compiler.write("answer"),
        size=_SQUARE,
    )


def _mean_squares(episodes: Episodes) -> tuple[Tensor, Tensor]:
    """Of both classes, over points and coordinates: (B, 1) each, float64."""
    square_BN1 = episodes.context_x_BND.double().square().mean(-1, keepdim=True)
    return class_mean(episodes, 0, square_BN1), class_mean(episodes, 1, square_BN1)


def _apart(episodes: Episodes) -> Tensor:
    zero_B1, one_B1 = _mean_squares(episodes)
    return one_B1 - zero_B1


def _middle(episodes: Episodes) -> Tensor:
    zero_B1, one_B1 = _mean_squares(episodes)
    return (one_B1 + zero_B1) / 2


def _query_square(episodes: Episodes) -> Tensor:
    return episodes.query_x_BD.double().square().mean(-1, keepdim=True)


def _answer(episodes: Episodes) -> Tensor:
    offset_B1 = _query_square(episodes) - _middle(episodes)
    return _WEIGHT * (_apart(episodes) * offset_B1)[:, 0]


_FIRST, _LAST = "layer 1 MLP", "layer 2 MLP"
_HEADS = frozenset({"layer 2 head 1", "layer 2 head 2"})

SQUARES = Circuit(
    computes="Which class has the query's mean square.",
    task="B",
    d_model=64,
    n_layers=2,
    n_heads=4,
    build=_build,
    answer=_answer,
    truth=Truth(
        matters=_HEADS | {_FIRST, _LAST},
        writes=frozenset({_LAST}),
        edges=frozenset(
            {(_FIRST, head) for head in _HEADS}
            | {(head, _LAST) for head in _HEADS}
            | {(_FIRST, _LAST), (_LAST, "logit")}
        ),
        symmetries=frozenset({"rotation", "classes"}),
        holds=(
            Held(name="query_square", layer=1, role="query", of=_query_square),
            Held(name="query_square", layer=2, role="query", of=_query_square),
            *everywhere("squares_apart", 2, _apart),
            *everywhere("squares_middle", 2, _middle),
        ),
    ),
)
