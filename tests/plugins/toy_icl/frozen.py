"""A variant: the first projection of every block stays as it was drawn."""

import torch
from torch import Tensor

from icl_mlflow.variants.base import Variant


def _first_projection(name: str, value: Tensor) -> Tensor | None:
    """Which entries of a parameter never move; None for those that train."""
    return torch.ones_like(value).bool() if "linear1" in name else None


TOY_VARIANT = Variant(
    question="Does the first projection of every block have to be trained?",
    frozen=_first_projection,
)
