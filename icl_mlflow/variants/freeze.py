"""Masks of the weights that a variant holds, and the values that they are held at.

A mask marks the entries of a parameter that stay bit-equal to their start; None leaves
the whole parameter free. Parameter names are those of `icl_mlflow.models`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

_INPUT_PROJECTION = ("self_attn.in_proj_weight", "self_attn.in_proj_bias")
_OUTPUT_PROJECTION = ("self_attn.out_proj.weight", "self_attn.out_proj.bias")
_POSITION_TABLE = ("pos_emb", "pos_embed")


def attention(name: str, value: Tensor) -> Tensor | None:
    """Hold the query, key, value and output projections, weights and biases."""
    if not name.endswith(_INPUT_PROJECTION + _OUTPUT_PROJECTION):
        return None
    return _everything(value)


def query_key(name: str, value: Tensor) -> Tensor | None:
    """Hold the query and key projections; values and outputs train."""
    if not name.endswith(_INPUT_PROJECTION):
        return None
    # Queries, keys and values are stacked: the last third of the rows makes the values.
    held = _everything(value)
    held[2 * len(value) // 3 :] = False
    return held


def position(name: str, value: Tensor) -> Tensor | None:
    """Hold the position table."""
    if name not in _POSITION_TABLE:
        return None
    return _everything(value)


def zero_position(name: str, value: Tensor) -> Tensor:
    """Start the position table at zero: without it, the context is a set."""
    return value.new_zeros(value.shape) if name in _POSITION_TABLE else value


def _everything(value: Tensor) -> Tensor:
    """A mask of all entries: bool, of the value's shape."""
    return value.new_ones(value.shape).bool()
