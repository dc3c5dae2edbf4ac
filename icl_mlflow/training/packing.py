"""How do many models of one shape become one matrix?

A row holds all parameters of a model, one after the other, and a matrix (R, P) the rows
of R models: clipping is then a norm along a row, and an optimizer step a few operations
on one tensor, however many parameters and models there are.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from icl_mlflow.models import Transformer

#: Rows and the large parameters in them start at multiples of so many entries, which
#: is what fast matrix products ask of their operands.
_ALIGNMENT = 8


class Packing:
    """Where each parameter of a model lies in its row.

    Args:
        model: any model of the shape.

    Attributes:
        width: entries P of a row, the padding at its end included.
    """

    def __init__(self, model: Transformer) -> None:
        named = list(model.named_parameters())
        # Those of odd size last, so that they misalign nothing behind them.
        named.sort(key=lambda pair: pair[1].numel() % _ALIGNMENT != 0)
        self._shapes = {name: value.shape for name, value in named}
        used = sum(value.numel() for _, value in named)
        self.width = -(-used // _ALIGNMENT) * _ALIGNMENT
        self._sizes = [shape.numel() for shape in self._shapes.values()]
        self._padding = self.width - used

    def row(self, values: Mapping[str, Tensor]) -> Tensor:
        """One row (P,) of the parameters' values by name."""
        parts = [values[name].detach().flatten() for name in self._shapes]
        return torch.cat([*parts, parts[0].new_zeros(self._padding)])

    def views(self, rows: Tensor) -> dict[str, Tensor]:
        """The parameters by name, as views of a row (P,) or of rows (R, P)."""
        parts = torch.split(rows, [*self._sizes, self._padding], dim=-1)
        return {
            name: part.view(*rows.shape[:-1], *shape)
            for (name, shape), part in zip(self._shapes.items(), parts, strict=False)
        }

    def mask(self, marked: Mapping[str, Tensor | None]) -> Tensor:
        """One row (P,) of bool: what is marked by name; None marks nothing."""
        parts = []
        for name, shape in self._shapes.items():
            mask = marked[name]
            empty = torch.zeros(shape, dtype=torch.bool)
            parts.append((empty if mask is None else mask.cpu()).flatten())
        return torch.cat([*parts, torch.zeros(self._padding, dtype=torch.bool)])
