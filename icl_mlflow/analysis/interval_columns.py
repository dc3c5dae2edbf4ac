"""How is an interval written down? As columns of a table, or as numbers by name."""

from collections.abc import Mapping
from typing import Any

from icl_mlflow.statistics import Interval


def columns(name: str, interval: Interval) -> dict[str, object]:
    """The columns ``name``, ``name_low`` and ``name_high``."""
    return {
        name: interval.mean,
        f"{name}_low": interval.low,
        f"{name}_high": interval.high,
    }


def numbers(name: str, interval: Interval) -> dict[str, float]:
    """The numbers ``name``, ``name/low`` and ``name/high``.

    >>> numbers("slope", Interval(0.9, 0.8, 1.0, n=100))
    {'slope': 0.9, 'slope/low': 0.8, 'slope/high': 1.0}
    """
    return {
        name: interval.mean,
        f"{name}/low": interval.low,
        f"{name}/high": interval.high,
    }


def numbers_of_row(name: str, row: Mapping[Any, Any], column: str) -> dict[str, float]:
    """The same of a table's row, from the columns that `columns` wrote."""
    return {
        name: float(row[column]),
        f"{name}/low": float(row[f"{column}_low"]),
        f"{name}/high": float(row[f"{column}_high"]),
    }
