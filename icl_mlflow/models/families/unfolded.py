"""The forward pass of blocks that the fast one does not know: pre-LN, linear attention.

    post-LN   x <- norm1(x + attention(x)), x <- norm2(x + MLP(x))
    pre-LN    x <- x + attention(norm1(x)), x <- x + MLP(norm2(x)), and after the last
              block a norm without parameters (arXiv 2002.04745)
    linear    what a token gathers is the mean of all values that it sees, each times
              its score, without a softmax (arXiv 2410.11778 and others)

The last block is computed at the queries alone. Parameters are those of the post-LN
model with softmax attention, by the same names.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from icl_mlflow.models.architecture import Architecture
from icl_mlflow.models.embedding import Parameters
from icl_mlflow.models.forward import (
    context_tokens,
    embedding,
    layer_parameters,
    project,
    query_rows,
    readout,
    split_heads,
    with_queries,
)
from icl_mlflow.models.visibility import visible


def logits(
    parameters: Parameters,
    architecture: Architecture,
    features_BSF: Tensor,
    *,
    n_queries: int = 1,
    lengths_B: Tensor | None = None,
) -> Tensor:
    """Log-odds of y_q = 1: (B Q,), in nats; as `icl_mlflow.models.forward.logits`."""
    a, n_tokens = architecture, features_BSF.shape[1]
    weight_FM, table_SM = embedding(parameters, a, n_tokens, n_queries)
    n_seen_B = context_tokens(a, lengths_B)
    query_BM = query_rows(parameters, a, n_tokens - n_queries + 1, n_seen_B)
    x_BSM = features_BSF @ weight_FM + with_queries(table_SM, query_BM, n_queries)
    is_seen = visible(
        x_BSM, hidden=a.query_hidden, n_queries=n_queries, n_seen_B=n_seen_B
    )
    for index in range(a.n_layers):
        n_last = n_queries if index == a.n_layers - 1 else n_tokens
        x_BSM = _block(x_BSM, layer_parameters(parameters, index), a, is_seen, n_last)
    if a.norm == "pre":
        x_BSM = F.layer_norm(x_BSM, x_BSM.shape[-1:])
    return readout(parameters, x_BSM.flatten(0, 1))


def attention(
    query_BHQK: Tensor, key_BHSK: Tensor, value_BHSV: Tensor, kind: str, is_seen: Tensor
) -> Tensor:
    """What tokens gather from those that they see: (B, H, Q, V).

    Args:
        query_BHQK: of the tokens that gather.
        key_BHSK: of those that are gathered from.
        value_BHSV: what these hold.
        kind: ``softmax`` or ``linear``.
        is_seen: which are seen by which: bool, (Q, S) or (B, 1, Q, S).
    """
    score_BHQS = query_BHQK @ key_BHSK.transpose(-2, -1)
    if kind == "softmax":
        weight_BHQS = score_BHQS.masked_fill(~is_seen, float("-inf")).softmax(-1)
    else:
        n_seen = is_seen.sum(-1, keepdim=True).to(score_BHQS.dtype)
        weight_BHQS = score_BHQS.masked_fill(~is_seen, 0.0) / n_seen
    return weight_BHQS @ value_BHSV


def _block(
    x_BSM: Tensor,
    layer: Parameters,
    architecture: Architecture,
    is_seen: Tensor | None,
    n_last: int,
) -> Tensor:
    """One block at the last tokens, which see all: (B, ``n_last``, M)."""
    is_pre = architecture.norm == "pre"
    read_BSM = _norm(x_BSM, layer, "norm1") if is_pre else x_BSM
    query, key, value = split_heads(project(read_BSM, layer), architecture.n_heads)
    query = query[:, :, -n_last:] * (1 / math.sqrt(query.shape[-1]))
    x_BQM = x_BSM[:, -n_last:]
    if is_seen is None:
        seen = torch.ones(n_last, x_BSM.shape[1], dtype=torch.bool, device=x_BSM.device)
    else:
        seen = is_seen[..., -n_last:, :]
        seen = seen.unsqueeze(1) if seen.ndim > 2 else seen  # noqa: PLR2004 per episode
    mixed_BHQK = attention(query, key, value, architecture.attention, seen)
    mixed_BQM = mixed_BHQK.transpose(1, 2).reshape(x_BQM.shape)
    written_BQM = _linear(mixed_BQM, layer, "self_attn.out_proj")
    if is_pre:
        x_BQM = x_BQM + written_BQM
        return x_BQM + _mlp(_norm(x_BQM, layer, "norm2"), layer)
    x_BQM = _norm(x_BQM + written_BQM, layer, "norm1")
    return _norm(x_BQM + _mlp(x_BQM, layer), layer, "norm2")


def _mlp(x_M: Tensor, layer: Parameters) -> Tensor:
    return _linear(F.gelu(_linear(x_M, layer, "linear1")), layer, "linear2")


def _norm(x_M: Tensor, layer: Parameters, name: str) -> Tensor:
    weight, bias = layer[f"{name}.weight"], layer[f"{name}.bias"]
    return F.layer_norm(x_M, weight.shape, weight, bias)


def _linear(x_M: Tensor, layer: Parameters, name: str) -> Tensor:
    return F.linear(x_M, layer[f"{name}.weight"], layer[f"{name}.bias"])
