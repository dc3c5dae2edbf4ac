"""The same parameters as a pre-LN encoder: norms before attention and before the MLP.

x + attention(norm1(x)), then x + MLP(norm2(x)); after the last block a norm without
parameters. Attention has the whole last block pruned to the query, as ours has; nothing
can be folded into the embedding, for a norm lies between.
"""

import math

from torch import Tensor
from torch.nn import functional as F

from icl_mlflow.models import EMBEDDINGS, Architecture
from icl_mlflow.models.embedding import Parameters
from icl_mlflow.models.forward import layer_parameters, project, split_heads


def logits(
    parameters: Parameters, architecture: Architecture, features_BSF: Tensor
) -> Tensor:
    """Log-odds of y_q = 1: (B,), in nats."""
    embedding = EMBEDDINGS[architecture.embedding]
    x_BSM = features_BSF @ embedding.weight(parameters)
    x_BSM = x_BSM + embedding.table(parameters, x_BSM.shape[1])
    for index in range(architecture.n_layers):
        is_last = index == architecture.n_layers - 1
        layer = layer_parameters(parameters, index)
        x_BSM = _block(x_BSM, layer, architecture.n_heads, at_query_alone=is_last)
    query_BM = F.layer_norm(x_BSM[:, -1], x_BSM.shape[-1:])
    return F.linear(query_BM, parameters["head.weight"], parameters["head.bias"])[:, 0]


def _block(
    x_BSM: Tensor, layer: Parameters, n_heads: int, *, at_query_alone: bool
) -> Tensor:
    """One block, at every token or at the query's alone: (B, S, M) or (B, 1, M)."""
    query, key, value = split_heads(
        project(_norm(x_BSM, layer, "norm1"), layer), n_heads
    )
    if at_query_alone:
        query, x_BSM = query[:, :, -1:], x_BSM[:, -1:]
    query = query * (1 / math.sqrt(query.shape[-1]))
    mixed_BHSK = (query @ key.transpose(-2, -1)).softmax(-1) @ value
    mixed_BSM = mixed_BHSK.transpose(1, 2).reshape(x_BSM.shape)
    x_BSM = x_BSM + _linear(mixed_BSM, layer, "self_attn.out_proj")
    hidden = F.gelu(_linear(_norm(x_BSM, layer, "norm2"), layer, "linear1"))
    return x_BSM + _linear(hidden, layer, "linear2")


def _norm(x_M: Tensor, layer: Parameters, name: str) -> Tensor:
    weight, bias = layer[f"{name}.weight"], layer[f"{name}.bias"]
    return F.layer_norm(x_M, weight.shape, weight, bias)


def _linear(x: Tensor, layer: Parameters, name: str) -> Tensor:
    return F.linear(x, layer[f"{name}.weight"], layer[f"{name}.bias"])
