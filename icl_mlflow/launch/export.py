"""The learning curves and results of runs as tables, and tables as files."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from icl_mlflow.analysis.answer import over_models
from icl_mlflow.analysis.tables import csv, latex, markdown, with_interval
from icl_mlflow.tracking.history import TrainingRecord, training_records
from icl_mlflow.tracking.store import open_client

_BY = ["task", "variant"]
_ENDS = ("/low", "/high")
_DIGITS = 4


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What runs went through and reached, pulled from MLflow.

    Attributes:
        history: one row per run and epoch.
        history_mean: one row per variant and epoch: means over seeds, with their range
            in ``.../low`` and ``.../high``.
        results: one row a run: test metrics of the best epoch.
        results_mean: one row a variant: means over seeds, with their range.
    """

    history: pd.DataFrame
    history_mean: pd.DataFrame
    results: pd.DataFrame
    results_mean: pd.DataFrame

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """By file name."""
        return {
            "history": self.history,
            "history_mean": self.history_mean,
            "results": self.results,
            "results_mean": self.results_mean,
        }


def pull_tables(run_id: str) -> Exported:
    """The tables of a training run, or of all training runs below a parent.

    Raises:
        ValueError: the run is unknown, deleted or still running, or is no training run.
        StoreError: the tracking store cannot be used.
    """
    return tables_of(training_records(open_client(), run_id))


def tables_of(records: tuple[TrainingRecord, ...]) -> Exported:
    """The tables of these runs."""
    history = pd.concat(
        [record.history.assign(**_identity(record)) for record in records],
        ignore_index=True,
    )
    first = list(_identity(records[0]))
    history = history[first + [c for c in history.columns if c not in first]]
    results = pd.DataFrame(
        [
            {**_identity(record), "best_epoch": record.best_epoch, **record.test}
            for record in records
        ]
    )
    return Exported(
        history=history,
        history_mean=means(history, [*_BY, "epoch"], ["seed", "run_id"]),
        results=results,
        results_mean=means(results, _BY, ["seed", "run_id", "best_epoch"]),
    )


def means(frame: pd.DataFrame, by: list[str], left_out: list[str]) -> pd.DataFrame:
    """Mean of every other column over the rows that agree in ``by``, and its range.

    ``seeds`` counts them; a single one has empty ends. A value that is missing in one
    row has no mean.
    """
    names = [c for c in frame.columns if c not in (*by, *left_out)]
    rows = []
    for key, group in frame.groupby(by, sort=False):
        row: dict[str, object] = dict(zip(by, key, strict=True))
        row["seeds"] = len(group)
        numbers = [
            {str(k): float(v) for k, v in record.items()}
            for record in group[names].to_dict("records")
        ]
        for name, interval in over_models(numbers).items():
            row |= {
                name: interval.mean,
                f"{name}/low": interval.low,
                f"{name}/high": interval.high,
            }
        rows.append(row)
    return pd.DataFrame(rows)


def readable(frame: pd.DataFrame) -> pd.DataFrame:
    """A table for readers: intervals beside their means, four digits a column.

    >>> readable(pd.DataFrame({"x": [20.0], "x/low": [19.0], "x/high": [21.0]}))
                          x
    0  20.00 [19.00, 21.00]
    """
    shown: dict[str, list[str]] = {}
    for name in frame.columns:
        if name.endswith(_ENDS):
            continue
        column = frame[name]
        if f"{name}/low" in frame.columns:
            ends = zip(column, frame[f"{name}/low"], frame[f"{name}/high"], strict=True)
            shown[name] = [with_interval(*cell, _decimals(column)) for cell in ends]
        elif pd.api.types.is_float_dtype(column):
            shown[name] = [f"{value:.{_decimals(column)}f}" for value in column]
        else:
            shown[name] = [str(value) for value in column]
    return pd.DataFrame(shown)


def _decimals(column: "pd.Series[float]") -> int:
    """Digits after the point, so that the largest value shows four in all."""
    largest = float(column.abs().max())
    if not largest or not math.isfinite(largest):
        return _DIGITS
    return max(0, _DIGITS - 1 - math.floor(math.log10(largest)))


def write(exported: Exported, folder: Path, file_format: str) -> list[Path]:
    """Write every table into ``folder`` as csv, parquet, latex or md; the files."""
    folder.mkdir(parents=True, exist_ok=True)
    ending, writer = FORMATS[file_format]
    files = []
    for name, frame in exported.tables.items():
        file = folder / f"{name}.{ending}"
        writer(frame, file)
        files.append(file)
    return files


def _identity(record: TrainingRecord) -> dict[str, str | int]:
    return {
        "task": record.task,
        "variant": record.variant,
        "seed": record.seed,
        "run_id": record.run_id,
    }


def _write_csv(frame: pd.DataFrame, file: Path) -> None:
    file.write_text(csv(frame), encoding="utf-8")


def _write_parquet(frame: pd.DataFrame, file: Path) -> None:
    frame.to_parquet(file, index=False)


def _write_latex(frame: pd.DataFrame, file: Path) -> None:
    file.write_text(latex(readable(frame)), encoding="utf-8")


def _write_markdown(frame: pd.DataFrame, file: Path) -> None:
    file.write_text(markdown(readable(frame)), encoding="utf-8")


#: Name to the ending of the file and what writes it.
FORMATS: Mapping[str, tuple[str, Callable[[pd.DataFrame, Path], None]]] = {
    "csv": ("csv", _write_csv),
    "parquet": ("parquet", _write_parquet),
    "latex": ("tex", _write_latex),
    "md": ("md", _write_markdown),
}
