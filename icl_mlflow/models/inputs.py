"""Checks of the episodes that a model is asked about, before it answers.

A wrong label or an infinity would not stop the arithmetic, and the answer would look
like any other.
"""

import torch
from torch import Tensor

from icl_mlflow.models.architecture import Architecture


def checked_inputs(
    architecture: Architecture,
    dtype: torch.dtype,
    context_x_BND: Tensor,
    context_y_BN: Tensor,
    query_x_BD: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """The same episodes, with points in the floating-point type of the model.

    Args:
        architecture: of the model.
        dtype: of its weights.
        context_x_BND: context points.
        context_y_BN: their labels, of any type of number.
        query_x_BD: the query points.

    Raises:
        ValueError: shapes that do not fit the model or each other, a label other than 0
            and 1, a value that is not finite or that the model's type cannot hold.
    """
    dim = architecture.dim
    _check_shape("context_x", context_x_BND, ("episodes", "points", dim))
    _check_shape("context_y", context_y_BN, ("episodes", "points"))
    _check_shape("query_x", query_x_BD, ("episodes", dim))
    n_episodes, n_context = context_x_BND.shape[:2]
    if context_y_BN.shape != (n_episodes, n_context):
        labelled = "{} episodes of {} points".format(*context_y_BN.shape)
        raise ValueError(
            f"context_x has {n_episodes} episodes of {n_context} points, but context_y "
            f"has labels for {labelled}; give one label for each point"
        )
    if len(query_x_BD) != n_episodes:
        raise ValueError(
            f"context_x has {n_episodes} episodes, but query_x has {len(query_x_BD)} "
            "queries; give one query for each episode"
        )
    _check_labels(context_y_BN)
    return (
        _finite("context_x", context_x_BND, dtype),
        context_y_BN,
        _finite("query_x", query_x_BD, dtype),
    )


def _check_shape(name: str, value: Tensor, wanted: tuple[str | int, ...]) -> None:
    if value.is_complex():
        raise ValueError(f"{name} must hold real numbers, not {value.dtype}")
    fits = value.ndim == len(wanted) and all(
        isinstance(size, str) or size == found
        for size, found in zip(wanted, value.shape, strict=True)
    )
    if not fits:
        shape = ", ".join(map(str, wanted))
        raise ValueError(
            f"{name} must have the shape ({shape}), not {tuple(value.shape)}"
        )


def _check_labels(context_y_BN: Tensor) -> None:
    is_label_BN = (context_y_BN == 0) | (context_y_BN == 1)
    if not is_label_BN.all():
        other = context_y_BN[~is_label_BN][0].item()
        raise ValueError(f"context_y must hold 0 or 1 for each point, not {other:g}")


def _finite(name: str, value: Tensor, dtype: torch.dtype) -> Tensor:
    converted = value.to(dtype)
    is_finite = converted.isfinite()
    if not is_finite.all():
        other = value[~is_finite][0].item()
        largest = torch.finfo(dtype).max
        raise ValueError(
            f"{name} must hold finite numbers of at most {largest:.2g}, not {other:g}"
        )
    return converted
