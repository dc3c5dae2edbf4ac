"""The learning curves and results of runs as tables, and tables as files."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from icl_mlflow.analysis.ablation.history import paper_table
from icl_mlflow.analysis.report.answer import over_models
from icl_mlflow.tables import csv, latex, markdown, with_interval
from icl_mlflow.tracking.models.lookup import ModelError, models_of_run
from icl_mlflow.tracking.runs.history import (
    TrainingRecord,
    experiment_records,
    training_records,
)
from icl_mlflow.tracking.store.connection import open_client
from icl_mlflow.workflows.told_apart import told_apart

#: Runs that agree in these differ in their seed alone.
_BY = ["task", "variant", "settings"]
_ENDS = ("/low", "/high")
_DIGITS = 4


@dataclass(frozen=True, kw_only=True)
class ExportedTables:
    """What runs went through and reached, pulled from MLflow, in one table each.

    Every row tells task, variant, ``settings`` (those in which not all runs of the
    variant agree), seed, run and registered model.

    Attributes:
        history: one row per run and epoch.
        history_mean: one row per variant and epoch: means over seeds, with their range
            in ``.../low`` and ``.../high``.
        results: one row a run: test metrics of the best epoch.
        results_mean: one row a variant: means over seeds, with their range.
        paper: one row a variant: accuracies of the last epoch with the interval of
            arXiv 2603.10573; empty where nothing was trained.
    """

    history: pd.DataFrame
    history_mean: pd.DataFrame
    results: pd.DataFrame
    results_mean: pd.DataFrame
    paper: pd.DataFrame

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """By file name."""
        return {
            "history": self.history,
            "history_mean": self.history_mean,
            "results": self.results,
            "results_mean": self.results_mean,
            **({} if self.paper.empty else {"paper": self.paper}),
        }


def pull_tables(
    run_ids: Sequence[str], experiment: str | None = None
) -> ExportedTables:
    """The tables of training runs, joined.

    Args:
        run_ids: training runs, and parents, which stand for all training runs below.
        experiment: the name of one whose finished training runs are all taken too.

    Raises:
        ValueError: nothing is named; a run is unknown, deleted or still running, or is
            no training run; or there is no such experiment.
        StoreError: the tracking store cannot be used.
    """
    if not run_ids and experiment is None:
        raise ValueError("give the id of a run, several of them, or an experiment")
    client = open_client()
    found = [one for run_id in run_ids for one in training_records(client, run_id)]
    if experiment is not None:
        found += experiment_records(client, experiment)
    records = _once(found)
    models = {}
    for record in records:
        try:
            (model,) = models_of_run(client, record.run_id)
        except ModelError:  # it was deleted, or waits to be registered
            continue
        models[record.run_id] = model.reference
    return tables_of(records, models)


def _once(records: Sequence[TrainingRecord]) -> list[TrainingRecord]:
    """Of several trainings of the same settings the newest: one seed counts once."""
    newest: dict[str, TrainingRecord] = {}
    for record in sorted(records, key=lambda record: record.start_time):
        newest[record.identity] = record
    return sorted(newest.values(), key=lambda r: (r.task, r.variant, r.seed))


def tables_of(
    records: Sequence[TrainingRecord], models: Mapping[str, str]
) -> ExportedTables:
    """The tables of these runs.

    Args:
        records: one a run.
        models: run id to what the registry calls its model.
    """
    settings = told_apart(records)
    named: dict[str, dict[str, Any]] = {
        record.run_id: {
            "task": record.task,
            "variant": record.variant,
            "settings": settings[record.run_id],
            "seed": record.seed,
            "run_id": record.run_id,
            "model": models.get(record.run_id, ""),
        }
        for record in records
    }
    history = pd.concat(
        [record.history.assign(**named[record.run_id]) for record in records],
        ignore_index=True,
    )
    first = list(named[records[0].run_id])
    history = history[first + [c for c in history.columns if c not in first]]
    results = pd.DataFrame(
        [
            {**named[record.run_id], "best_epoch": record.best_epoch, **record.test}
            for record in records
        ]
    )
    told = [name for name in first if name not in _BY]
    return ExportedTables(
        history=history,
        history_mean=means(history, [*_BY, "epoch"], told),
        results=results,
        results_mean=means(results, _BY, [*told, "best_epoch"]),
        paper=_paper(history),
    )


def _paper(history: pd.DataFrame) -> pd.DataFrame:
    """The paper's table of the runs that were trained and say how it went."""
    if "val/accuracy" not in history or "train/accuracy" not in history:
        return pd.DataFrame()
    measured = history.dropna(subset=["train/accuracy", "val/accuracy"])
    return paper_table(measured, _BY)


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


def write(exported: ExportedTables, folder: Path, file_format: str) -> list[Path]:
    """Write every table into ``folder`` as csv, parquet, latex or md; the files."""
    folder.mkdir(parents=True, exist_ok=True)
    ending, writer = FORMATS[file_format]
    files = []
    for name, frame in exported.tables.items():
        file = folder / f"{name}.{ending}"
        writer(frame, file)
        files.append(file)
    return files


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
