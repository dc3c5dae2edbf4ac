r"""A kernel vote by one head: attention by similarity, labels for values.

Head 1 attends to the context by the query's product with each point and takes the mean
of the labels' signs, which is its answer, scaled up:

    logit = 4 sum_i softmax(x_q . x_i / sqrt 32)_i s_i    (nats),

the rule `kernel_dot` among the estimators. No MLP has a part in it.
"""

import math

import torch
from torch import Tensor

from icl_mlflow.compiled.circuit import Circuit, Held, Truth
from icl_mlflow.compiled.class_means import keep_points
from icl_mlflow.compiled.compiler import Compiler
from icl_mlflow.episodes import Episodes

_WEIGHT = 4.0
#: Width of one attention head of the paper's model, which scales its dot products.
_HEAD_WIDTH = 32
#: How far below all others the score of the query's own token lies.
_SHARPNESS = 60.0


def _build(compiler: Compiler) -> None:
    keep_points(compiler)
    compiler.answer(compiler.read("answer"))
    compiler.register("is_query", 1)
    compiler.mark_query("is_query")
    query, key = compiler.read("query"), compiler.read("x")
    compiler.head(
        1,
        1,
        query=torch.cat([query / math.sqrt(_HEAD_WIDTH), compiler.constant(1.0)]),
        key=torch.cat([key, -_SHARPNESS * compiler.read("is_query")]),
        value=compiler.read("sign"),
        output=_WEIGHT * compiler.write("answer"),
    )


def _vote(episodes: Episodes) -> Tensor:
    query_BD1 = episodes.query_x_BD.double().unsqueeze(-1)
    product_BN = (episodes.context_x_BND.double() @ query_BD1)[..., 0]
    weight_BN = (product_BN / math.sqrt(_HEAD_WIDTH)).softmax(-1)
    sign_BN = 2 * episodes.context_y_BN.double() - 1
    return (weight_BN * sign_BN).sum(-1, keepdim=True)


def _answer(episodes: Episodes) -> Tensor:
    return _WEIGHT * _vote(episodes)[:, 0]


_HEAD = "layer 1 head 1"

KERNEL_VOTE = Circuit(
    computes="A vote of the labels, weighted by similarity to the query.",
    task="A",
    task_parameters={"tau": 0.0},
    d_model=72,
    n_layers=1,
    n_heads=4,
    build=_build,
    answer=_answer,
    truth=Truth(
        matters=frozenset({_HEAD}),
        writes=frozenset({_HEAD}),
        edges=frozenset({(_HEAD, "logit")}),
        symmetries=frozenset({"rotation", "classes"}),
        holds=(Held(name="vote", layer=1, role="query", of=_vote),),
        estimator="kernel_dot",
    ),
)
