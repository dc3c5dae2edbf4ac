"""A small architecture, and the episodes that its models are asked about."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from icl_mlflow.episodes import Episodes
from icl_mlflow.models import Architecture, Transformer
from icl_mlflow.tasks.shifted_mean import ShiftedMean

SMALL = Architecture(dim=4, positions=25, d_model=24, n_layers=2, n_heads=3)

#: What the fixtures `randomised` and `paired` are.
Build = Callable[[Architecture, torch.dtype], Transformer]
Pair = tuple[Transformer, nn.Module]
Paired = Callable[[Architecture, torch.dtype], Pair]


def draw(n_context: int = 12, n_episodes: int = 16) -> Episodes:
    return ShiftedMean(dim=4, tau=1.0).sample(n_episodes, n_context, stream="test")


def inputs(
    episodes: Episodes, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor, Tensor]:
    x_BND, query_x_BD = episodes.context_x_BND, episodes.query_x_BD
    return x_BND.to(dtype), episodes.context_y_BN, query_x_BD.to(dtype)


def relative(found: Tensor, expected: Tensor) -> float:
    """The largest difference, against the largest value."""
    found, expected = found.detach(), expected.detach()
    return float((found - expected).abs().max() / expected.abs().max())
