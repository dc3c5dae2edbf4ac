"""Flat parameters: a model as one row, and many of one shape as one matrix.

A row holds the parameters of a model, one after the other, and a matrix (R, P) the rows
of R models: a cast, a norm or an optimizer step is then one operation, or a few, on one
tensor, however many parameters and models there are.
"""

from collections.abc import Collection, Mapping

import torch
from torch import Tensor

#: Rows and the large parameters in them start at multiples of so many entries, which
#: is what fast matrix products ask of their operands.
_ALIGNMENT = 8


class Packing:
    """Where each parameter of a model lies in its row.

    Args:
        values: the parameters by name, or others of their shapes.

    Attributes:
        width: entries P of a row, the padding at its end included.
    """

    def __init__(self, values: Mapping[str, Tensor]) -> None:
        named = list(values.items())
        # Those of odd size last, so that they misalign nothing behind them.
        named.sort(key=lambda pair: pair[1].numel() % _ALIGNMENT != 0)
        self._shapes = {name: value.shape for name, value in named}
        used = sum(value.numel() for _, value in named)
        self.width = -(-used // _ALIGNMENT) * _ALIGNMENT
        self._sizes = [shape.numel() for shape in self._shapes.values()]
        self._padding = self.width - used

    @property
    def names(self) -> Collection[str]:
        """The names of the parameters, in their order within a row."""
        return self._shapes.keys()

    def row(self, values: Mapping[str, Tensor]) -> Tensor:
        """One row (P,) of the parameters' values by name."""
        parts = [values[name].detach().flatten() for name in self._shapes]
        return torch.cat([*parts, parts[0].new_zeros(self._padding)])

    def views(self, rows: Tensor) -> dict[str, Tensor]:
        """The parameters by name, as views of a row (P,) or of rows (R, P)."""
        parts = torch.split(rows, [*self._sizes, self._padding], dim=-1)
        return {
            name: part.view((*rows.shape[:-1], *shape))
            for (name, shape), part in zip(self._shapes.items(), parts, strict=False)
        }

    def mask(self, marked: Mapping[str, Tensor | None]) -> Tensor:
        """One row (P,) of bool: the entries marked by name; None marks nothing."""
        parts = []
        for name, shape in self._shapes.items():
            mask = marked[name]
            empty = torch.zeros(shape, dtype=torch.bool)
            parts.append((empty if mask is None else mask.cpu()).flatten())
        return torch.cat([*parts, torch.zeros(self._padding, dtype=torch.bool)])
