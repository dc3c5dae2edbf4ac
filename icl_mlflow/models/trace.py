"""The whole forward computation, with every internal quantity as an output.

No hooks: `trace` computes each block at each token, hands every internal quantity to
an optional ``edit`` before it is used, and returns what it used. `forward` is the fast
road to the same logits.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from icl_mlflow.models.architecture import Architecture
from icl_mlflow.models.embedding import EMBEDDINGS, Parameters
from icl_mlflow.models.forward import (
    after_attention,
    layer_parameters,
    project,
    readout,
    split_heads,
)
from icl_mlflow.models.visibility import mask_of

Quantity = Literal["residual", "pattern", "head_output"]


@dataclass(frozen=True)
class Site:
    """Where an internal quantity is.

    Attributes:
        quantity: ``residual`` (B, S, M), the stream after ``layer`` blocks;
            ``pattern`` (B, H, S, S), attention weights, queries by keys;
            ``head_output`` (B, H, S, K), before the output projection.
        layer: the block, from 0; for ``residual``, how many blocks have been passed.
    """

    quantity: Quantity
    layer: int


Edit = Callable[[Site, Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class Trace:
    """Everything a forward pass computed.

    Attributes:
        logit_B: log-odds of y_q = 1, in nats.
        residual_BSM: L + 1 entries: the embedding, then the stream after each block.
        pattern_BHSS: L entries: attention weights, queries by keys.
        head_output_BHSK: L entries: each head's mix of values.
    """

    logit_B: Tensor
    residual_BSM: tuple[Tensor, ...]
    pattern_BHSS: tuple[Tensor, ...]
    head_output_BHSK: tuple[Tensor, ...]


def unedited(_site: Site, value: Tensor) -> Tensor:
    """Leave the quantity as it is."""
    return value


def trace(
    parameters: Parameters,
    architecture: Architecture,
    features_BSF: Tensor,
    edit: Edit = unedited,
) -> Trace:
    """Run every block at every token and return the internals.

    Args:
        parameters: by the names of the published checkpoints.
        architecture: what they were built for.
        features_BSF: `Embedding.features` of the episodes.
        edit: called with each `Site` and its value; what it returns is used instead.
    """
    embedding = EMBEDDINGS[architecture.embedding]
    table_SM = embedding.table(parameters, features_BSF.shape[1])
    x_BSM = features_BSF @ embedding.weight(parameters) + table_SM
    x_BSM = edit(Site("residual", 0), x_BSM)

    mask_SS = mask_of(x_BSM, hidden=architecture.query_hidden)
    residual, patterns, head_outputs = [x_BSM], [], []
    for index in range(architecture.n_layers):
        layer = layer_parameters(parameters, index)
        query, key, value = split_heads(project(x_BSM, layer), architecture.n_heads)
        score_BHSS = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
        if mask_SS is not None:
            score_BHSS = score_BHSS + mask_SS
        pattern_BHSS = edit(Site("pattern", index), score_BHSS.softmax(-1))
        head_output_BHSK = edit(Site("head_output", index), pattern_BHSS @ value)
        mixed_BSM = head_output_BHSK.transpose(1, 2).reshape(x_BSM.shape)
        x_BSM = after_attention(x_BSM, mixed_BSM, layer)
        x_BSM = edit(Site("residual", index + 1), x_BSM)
        residual.append(x_BSM)
        patterns.append(pattern_BHSS)
        head_outputs.append(head_output_BHSK)

    return Trace(
        logit_B=readout(parameters, x_BSM[:, -1]),
        residual_BSM=tuple(residual),
        pattern_BHSS=tuple(patterns),
        head_output_BHSK=tuple(head_outputs),
    )
