"""Points with their labels as -1 and 1: what models without an embedding read.

They have as many parameters as the transformer of the same architecture, as nearly as a
whole number of hidden units allows; so what differs is the way they compute.
"""

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from icl_mlflow.models.architecture import Architecture
from icl_mlflow.models.initial import Layout
from icl_mlflow.models.transformer import Transformer

#: Units of a hidden layer at most.
_WIDEST = 1 << 20


def signed_points(
    context_x_BND: Tensor, context_y_BN: Tensor, query_x_BD: Tensor
) -> Tensor:
    """Points with their labels, -1 or 1, and queries with 0: (B, N + Q, D + 1)."""
    query_x_BQD = query_x_BD.view(len(query_x_BD), -1, query_x_BD.shape[-1])
    sign_BN1 = (2 * context_y_BN - 1).to(context_x_BND.dtype).unsqueeze(-1)
    none_BQ1 = query_x_BQD.new_zeros(*query_x_BQD.shape[:2], 1)
    return torch.cat(
        [
            torch.cat([context_x_BND, sign_BN1], dim=-1),
            torch.cat([query_x_BQD, none_BQ1], dim=-1),
        ],
        dim=1,
    )


def size(layout: Layout) -> int:
    """Entries of all parameters."""
    return sum(math.prod(initial.shape) for initial in layout.values())


def equal_width(architecture: Architecture, layout: Callable[[int], Layout]) -> int:
    """The units of a hidden layer that make a model as large as the transformer.

    Args:
        architecture: of both.
        layout: of the model, by its width; its size grows with that.
    """
    wanted = size(Transformer.layout(replace(architecture, family="transformer")))
    low, high = 1, _WIDEST
    while high - low > 1:  # the largest that is not larger
        middle = (low + high) // 2
        low, high = (middle, high) if size(layout(middle)) <= wanted else (low, middle)
    return min((low, high), key=lambda width: abs(size(layout(width)) - wanted))
