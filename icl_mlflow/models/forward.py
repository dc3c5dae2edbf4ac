"""The fast forward pass: from features to the logit, only what the answer needs.

Three identities make this exact and fast; `trace` goes the long way:

  pruned    the last block is needed at the query token alone;
  absorbed  there, q . (W_K x + b_K) = (W_K^T q) . x + constant, and attention weights
            sum to one, so keys and values of the context are never formed;
  folded    tokens are linear in the features, so the first block's queries, keys and
            values are too: one product with a much smaller inner dimension.

Everything is a pure function of a name-to-tensor mapping, so that it can be mapped over
stacked parameters.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from icl_mlflow.models.architecture import Architecture
from icl_mlflow.models.embedding import EMBEDDINGS, Parameters
from icl_mlflow.models.visibility import mask_of

# Below this many tokens three plain products beat the fused kernel on CPUs, whose
# backward pass is slow in bfloat16.
_FUSED_ATTENTION_FROM = 128
_FUSED_BF16_ATTENTION_FROM = 1024
#: Axes of a mask that all episodes share.
_SHARED = 2


def layer_prefix(layer: int) -> str:
    """The prefix of the names of a block's parameters."""
    return f"transformer.layers.{layer}."


def layer_parameters(parameters: Parameters, layer: int) -> dict[str, Tensor]:
    """The parameters of one block, by their names within it."""
    prefix = layer_prefix(layer)
    return {
        name.removeprefix(prefix): value
        for name, value in parameters.items()
        if name.startswith(prefix)
    }


def logits(
    parameters: Parameters,
    architecture: Architecture,
    features_BSF: Tensor,
    *,
    n_queries: int = 1,
    lengths_B: Tensor | None = None,
    may_fuse: bool = True,
) -> Tensor:
    """Log-odds of y_q = 1, in nats: (B,); (B Q,) of several queries to a context.

    Args:
        parameters: by the names of the published checkpoints.
        architecture: what they were built for.
        features_BSF: `Embedding.features` of the episodes.
        n_queries: Q, the last tokens of every episode. Several are answered by the
            model whose context does not attend to the query, whatever it was built for.
        lengths_B: context points of each episode; what stands behind them is padding,
            and the query has the position that it would have without. None without.
        may_fuse: take the fused attention kernel where it is faster; `torch.vmap` would
            call that once a model.

    Raises:
        ValueError: if the episodes make more tokens than there are positions.
    """
    n_tokens = features_BSF.shape[1]
    weight_FM, table_SM = embedding(parameters, architecture, n_tokens, n_queries)
    n_seen_B = context_tokens(architecture, lengths_B)
    query_BM = query_rows(parameters, architecture, n_tokens - n_queries + 1, n_seen_B)
    first = layer_parameters(parameters, 0)
    if architecture.n_layers == 1:
        x_BSM = features_BSF @ weight_FM + with_queries(table_SM, query_BM, n_queries)
    else:
        x_BSM, qkv_BSM = _embed_and_project(
            features_BSF, weight_FM, table_SM, query_BM, first, n_queries=n_queries
        )
        mask = mask_of(
            x_BSM,
            hidden=architecture.query_hidden,
            n_queries=n_queries,
            n_seen_B=n_seen_B,
        )
        n_heads = architecture.n_heads
        x_BSM = _block(x_BSM, qkv_BSM, first, n_heads, mask, may_fuse=may_fuse)
    return _logits_after(
        parameters,
        architecture,
        1,
        x_BSM,
        n_queries=n_queries,
        n_seen_B=n_seen_B,
        may_fuse=may_fuse,
    )


def embedding(
    parameters: Parameters, architecture: Architecture, n_tokens: int, n_queries: int
) -> tuple[Tensor, Tensor]:
    """Weight (F, M) and table (S, M) of the tokens: features @ weight + table.

    All queries to a context have the query's position.
    """
    chosen = EMBEDDINGS[architecture.embedding]
    table_SM = chosen.table(parameters, n_tokens - n_queries + 1)
    if n_queries > 1:
        table_SM = torch.cat([table_SM[:-1], table_SM[-1:].expand(n_queries, -1)])
    return chosen.weight(parameters), table_SM


def context_tokens(
    architecture: Architecture, lengths_B: Tensor | None
) -> Tensor | None:
    """The context's tokens of each episode, by its points; None without padding."""
    if lengths_B is None:
        return None
    return lengths_B * (EMBEDDINGS[architecture.embedding].n_tokens(1) - 1)


def query_rows(
    parameters: Parameters,
    architecture: Architecture,
    n_tokens: int,
    n_seen_B: Tensor | None,
) -> Tensor | None:
    """Position and bias of the queries behind each context: (B, M); None if all alike.

    Picked by a product and not by an index, whose gradient would be summed in any
    order on a device.
    """
    if n_seen_B is None:
        return None
    table_SM = EMBEDDINGS[architecture.embedding].query_table(parameters, n_tokens)
    place_S = torch.arange(n_tokens, device=n_seen_B.device)
    return (n_seen_B.unsqueeze(-1) == place_S).to(table_SM.dtype) @ table_SM


def with_queries(table_SM: Tensor, query_BM: Tensor | None, n_queries: int) -> Tensor:
    """The table, its last rows replaced by the queries' own: (S, M) or (B, S, M)."""
    if query_BM is None:
        return table_SM
    context_BSM = table_SM[:-n_queries].expand(len(query_BM), -1, -1)
    query_BQM = query_BM.unsqueeze(1).expand(-1, n_queries, -1)
    return torch.cat([context_BSM, query_BQM], dim=1)


def logits_from_heads(
    parameters: Parameters,
    architecture: Architecture,
    index: int,
    x_BSM: Tensor,
    head_output_BHSK: Tensor,
) -> Tensor:
    """Log-odds of y_q = 1 for given outputs of the heads of one block: (B,), in nats.

    Nothing before that block is computed again.

    Args:
        parameters: by the names of the published checkpoints.
        architecture: what they were built for.
        index: the block, from 0.
        x_BSM: the residual stream that enters the block.
        head_output_BHSK: its heads' outputs, before the output projection.
    """
    layer = layer_parameters(parameters, index)
    if index == architecture.n_layers - 1:
        query_BM = head_output_BHSK[:, :, -1].flatten(1)
        return readout(parameters, after_attention(x_BSM[:, -1], query_BM, layer))
    mixed_BSM = head_output_BHSK.transpose(1, 2).reshape(x_BSM.shape)
    x_BSM = after_attention(x_BSM, mixed_BSM, layer)
    return _logits_after(parameters, architecture, index + 1, x_BSM)


def logits_from_writes(
    parameters: Parameters,
    architecture: Architecture,
    index: int,
    x_BSM: Tensor,
    *,
    attention_BSM: Tensor,
    mlp_BSM: Tensor,
) -> Tensor:
    """Log-odds of y_q = 1 for what one block is to write: (B,), in nats.

    Args:
        parameters: by the names of the published checkpoints.
        architecture: what they were built for.
        index: the block, from 0.
        x_BSM: the residual stream that enters the block.
        attention_BSM: what its attention adds to the stream.
        mlp_BSM: what its MLP adds to the stream, whatever that would have read.
    """
    layer = layer_parameters(parameters, index)
    is_last = index == architecture.n_layers - 1
    if is_last:
        x_BSM, attention_BSM, mlp_BSM = (
            each[:, -1:] for each in (x_BSM, attention_BSM, mlp_BSM)
        )
    x_BSM = _norm(x_BSM + attention_BSM, layer, "norm1")
    x_BSM = _norm(x_BSM + mlp_BSM, layer, "norm2")
    if is_last:
        return readout(parameters, x_BSM[:, -1])
    return _logits_after(parameters, architecture, index + 1, x_BSM)


def _logits_after(
    parameters: Parameters,
    architecture: Architecture,
    n_passed: int,
    x_BSM: Tensor,
    *,
    n_queries: int = 1,
    n_seen_B: Tensor | None = None,
    may_fuse: bool = True,
) -> Tensor:
    """The logits from the residual stream after so many blocks; the last is to come."""
    n_heads, n_layers = architecture.n_heads, architecture.n_layers
    mask = mask_of(
        x_BSM, hidden=architecture.query_hidden, n_queries=n_queries, n_seen_B=n_seen_B
    )
    for index in range(n_passed, n_layers - 1):
        layer = layer_parameters(parameters, index)
        qkv_BSM = project(x_BSM, layer)
        x_BSM = _block(x_BSM, qkv_BSM, layer, n_heads, mask, may_fuse=may_fuse)
    last = layer_parameters(parameters, n_layers - 1)
    query_AM = _query_block(x_BSM, last, n_heads, mask, n_queries)
    return readout(parameters, query_AM)


def readout(parameters: Parameters, x_BM: Tensor) -> Tensor:
    """The head's logit of a residual stream, at whatever depth: (B,), in nats."""
    return F.linear(x_BM, parameters["head.weight"], parameters["head.bias"])[:, 0]


def project(x_BSM: Tensor, layer: Parameters) -> Tensor:
    """Queries, keys and values side by side: (B, S, 3M)."""
    return F.linear(
        x_BSM, layer["self_attn.in_proj_weight"], layer["self_attn.in_proj_bias"]
    )


def split_heads(qkv_BSM: Tensor, n_heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """(B, S, 3M) to queries, keys and values, each (B, H, S, K)."""
    n_episodes, n_tokens, _ = qkv_BSM.shape
    heads = qkv_BSM.view(n_episodes, n_tokens, 3, n_heads, -1)
    query, key, value = heads.permute(2, 0, 3, 1, 4).unbind(0)
    return query, key, value


def after_attention(x_M: Tensor, mixed_M: Tensor, layer: Parameters) -> Tensor:
    """The rest of a post-LN block: projection, residuals, norms, MLP: (..., M)."""
    written_M = F.linear(
        mixed_M, layer["self_attn.out_proj.weight"], layer["self_attn.out_proj.bias"]
    )
    x_M = _norm(x_M + written_M, layer, "norm1")
    hidden = F.gelu(F.linear(x_M, layer["linear1.weight"], layer["linear1.bias"]))
    written_M = F.linear(hidden, layer["linear2.weight"], layer["linear2.bias"])
    return _norm(x_M + written_M, layer, "norm2")


def _norm(x_M: Tensor, layer: Parameters, name: str) -> Tensor:
    weight, bias = layer[f"{name}.weight"], layer[f"{name}.bias"]
    return F.layer_norm(x_M, weight.shape, weight, bias)


def _embed_and_project(
    features_BSF: Tensor,
    weight_FM: Tensor,
    table_SM: Tensor,
    query_BM: Tensor | None,
    layer: Parameters,
    *,
    n_queries: int,
) -> tuple[Tensor, Tensor]:
    """Tokens (B, S, M) and their queries, keys and values (B, S, 3M), folded."""
    in_weight_M3M = layer["self_attn.in_proj_weight"].t()
    in_bias = layer["self_attn.in_proj_bias"]
    x_BSM = features_BSF @ weight_FM + with_queries(table_SM, query_BM, n_queries)
    table_S3M = table_SM @ in_weight_M3M + in_bias
    query_B3M = None if query_BM is None else query_BM @ in_weight_M3M + in_bias
    qkv_BS3M = features_BSF @ (weight_FM @ in_weight_M3M) + with_queries(
        table_S3M, query_B3M, n_queries
    )
    return x_BSM, qkv_BS3M


def _block(
    x_BSM: Tensor,
    qkv_BSM: Tensor,
    layer: Parameters,
    n_heads: int,
    mask: Tensor | None,
    *,
    may_fuse: bool,
) -> Tensor:
    """One whole block, at every token: (B, S, M); the mask as `mask_of` gives it."""
    if mask is not None and mask.ndim > _SHARED:
        mask = mask.unsqueeze(1)  # the same for all heads
    query, key, value = split_heads(qkv_BSM, n_heads)
    is_slow = x_BSM.dtype == torch.bfloat16 and x_BSM.device.type == "cpu"
    fused_from = _FUSED_BF16_ATTENTION_FROM if is_slow else _FUSED_ATTENTION_FROM
    if not may_fuse or x_BSM.shape[1] < fused_from:
        query = query * (1 / math.sqrt(query.shape[-1]))
        score_BHSS = query @ key.transpose(-2, -1)
        if mask is not None:
            score_BHSS = score_BHSS + mask
        mixed_BHSK = score_BHSS.softmax(-1) @ value
    else:
        mixed_BHSK = F.scaled_dot_product_attention(query, key, value, mask)
    mixed_BSM = mixed_BHSK.transpose(1, 2).reshape(x_BSM.shape)
    return after_attention(x_BSM, mixed_BSM, layer)


def _query_block(
    x_BSM: Tensor,
    layer: Parameters,
    n_heads: int,
    mask: Tensor | None,
    n_queries: int,
) -> Tensor:
    """The last block at the query tokens: (A, M), keys and values absorbed.

    A = answers, to all queries of a batch (B Q); R = heads of all queries to an
    episode (Q H).
    """
    n_episodes, _, d_model = x_BSM.shape
    head_width = d_model // n_heads
    x_AM = x_BSM[:, -n_queries:].reshape(-1, d_model)
    query_weight, key_weight, value_weight = layer["self_attn.in_proj_weight"].chunk(3)
    # b_K shifts all scores of a head alike and leaves the softmax as it is.
    query_bias, _, value_bias = layer["self_attn.in_proj_bias"].chunk(3)

    query_AHK = F.linear(x_AM, query_weight, query_bias).view(-1, n_heads, head_width)
    query_AHK = query_AHK * (1 / math.sqrt(head_width))
    key_HKM = key_weight.view(n_heads, head_width, d_model)
    absorbed_AHM = (query_AHK.transpose(0, 1) @ key_HKM).transpose(0, 1)
    # The heads of all queries to a context are rows of one product.
    absorbed_BRM = absorbed_AHM.reshape(n_episodes, -1, d_model)
    score_BRS = absorbed_BRM @ x_BSM.transpose(1, 2)
    # A single query sees all of its own context.
    if mask is not None and (n_queries > 1 or mask.ndim > _SHARED):
        mask_QS = mask[..., -n_queries:, :]
        score_BRS = score_BRS + mask_QS.repeat_interleave(n_heads, -2)
    gathered_BRM = score_BRS.softmax(-1) @ x_BSM
    gathered_AHM = gathered_BRM.reshape(-1, n_heads, d_model)
    value_HMK = value_weight.view(n_heads, head_width, d_model).transpose(1, 2)
    mixed_AHK = (gathered_AHM.transpose(0, 1) @ value_HMK).transpose(0, 1)
    mixed_AM = mixed_AHK.reshape(-1, d_model) + value_bias
    return after_attention(x_AM, mixed_AM, layer)
