"""The metrics of training runs, epoch by epoch, read back from MLflow."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Run

from icl_mlflow.tracking.local.safe_read import ModelError
from icl_mlflow.tracking.local.temporary import temporary_folder
from icl_mlflow.tracking.models.download import FetchError
from icl_mlflow.tracking.runs.query import (
    all_runs,
    child_runs,
    ended_run,
    one_line_errors,
)
from icl_mlflow.tracking.store.run_files import download
from icl_mlflow.training.fit import Epoch

_FINAL = "test/"

#: What an ablation tells its members: no result of a training alone.
DIFFERENCE = "test/difference_from_baseline"

#: The table of all epochs among a run's artifacts, and its largest size in bytes.
HISTORY, LARGEST_HISTORY = "history.csv", 64 << 20

#: What joins the names of several shifts.
_SEVERAL = "+"

_logger = logging.getLogger(__name__)


class NoHistoryError(ValueError):
    """There is no training to be read from a run; the message is one line."""


@dataclass(frozen=True, kw_only=True)
class TrainingRecord:
    """What MLflow holds of one training run.

    Attributes:
        run_id: of the run.
        name: of the run.
        task, variant: their names.
        seed: its number.
        identity: hash of its settings; of its file, if it was imported.
        start_time: in milliseconds.
        params: as the run shows them.
        source: where an imported model is from; empty for one that was trained here.
        best_epoch: whose weights were kept; None without training.
        history: one row an epoch: ``epoch`` and every metric by its name.
        test: final metrics by tracked name.
    """

    run_id: str
    name: str
    task: str
    variant: str
    seed: int
    identity: str
    start_time: int
    params: Mapping[str, str]
    source: str
    best_epoch: int | None
    history: pd.DataFrame
    test: dict[str, float]


def training_records(client: MlflowClient, run_id: str) -> tuple[TrainingRecord, ...]:
    """The record of a training run, or of all below it, by variant and seed.

    Children that did not finish are passed over.

    Raises:
        NoHistoryError: the run has nothing to do with training, or is not as `train`
            leaves one. Such children are passed over.
        ModelError: the run is unknown, deleted or still running, or MLflow fails.
    """
    run = ended_run(client, run_id)
    with one_line_errors(client):
        if run.data.tags.get("kind") == "train":
            return (_record(client, run),)
        trained = [
            child
            for child in child_runs(client, run)
            if child.data.tags.get("kind") == "train"
            and child.info.status == "FINISHED"
        ]
        if not trained:
            raise NoHistoryError(
                f"run {run_id} is not a training run and has none below it; "
                "give the id of one that `train` or `ablate` has made"
            )
        records = _records(client, trained)
    if not records:
        raise NoHistoryError(f"none of the runs below {run_id} can be read")
    return tuple(sorted(records, key=_by_variant_and_seed))


def experiment_records(client: MlflowClient, name: str) -> tuple[TrainingRecord, ...]:
    """The records of all finished training runs of an experiment.

    Raises:
        NoHistoryError: there are none.
        ModelError: there is no such experiment, or MLflow fails.
    """
    query = "tags.kind = 'train' AND attributes.status = 'FINISHED'"
    with one_line_errors(client):
        found = client.get_experiment_by_name(name)
        if found is None:
            known = ", ".join(sorted(e.name for e in client.search_experiments()))
            raise ModelError(f"there is no experiment {name!r}; there are: {known}")
        runs = all_runs(client, found.experiment_id, query)
        records = _records(client, runs)
    if not records:
        raise NoHistoryError(f"no training has finished in experiment {name!r}")
    return tuple(sorted(records, key=_by_variant_and_seed))


def untested_record(
    client: MlflowClient, experiment_id: str, identity: str, n_epochs: int
) -> TrainingRecord | None:
    """The newest training that came through its last epoch, and was ended then.

    It was never tested and has no model; what its epochs measured is whole.

    Args:
        client: of the store.
        experiment_id: where to look.
        identity: of the settings.
        n_epochs: that such a training has.
    """
    query = f"tags.settings_hash = '{identity}' AND tags.kind = 'train'"
    runs = [
        run
        for run in all_runs(client, experiment_id, query)
        if run.info.status in {"KILLED", "FAILED"}
    ]
    for record in _records(client, sorted(runs, key=_start, reverse=True)):
        if len(record.history) == n_epochs and "val/accuracy" in record.history:
            return record
    return None


def _start(run: Run) -> int:
    started: int = run.info.start_time
    return started


def _by_variant_and_seed(record: TrainingRecord) -> tuple[str, int]:
    return record.variant, record.seed


def _records(client: MlflowClient, runs: Sequence[Run]) -> list[TrainingRecord]:
    """The records of those that can be read; of the others, a line each."""
    found = []
    for run in runs:
        try:
            found.append(_record(client, run))
        except NoHistoryError as error:
            _logger.warning("%s; it is passed over", error)
    return found


def _record(client: MlflowClient, run: Run) -> TrainingRecord:
    tags, metrics = run.data.tags, run.data.metrics
    try:
        task, variant = tags["task"], tags["variant"]
        seed, best = int(tags["seed"]), tags.get("best_epoch")
        best_epoch = None if best is None else int(best)
    except (KeyError, ValueError) as error:
        what = f"no tag {error}" if isinstance(error, KeyError) else str(error)
        raise NoHistoryError(
            f"run {run.info.run_id} is not as `train` leaves one: {what}"
        ) from error
    return TrainingRecord(
        run_id=run.info.run_id,
        name=run.info.run_name,
        task=task,
        variant=variant,
        seed=seed,
        identity=tags.get("settings_hash", run.info.run_id),
        start_time=run.info.start_time,
        params=run.data.params,
        source=tags.get("source", ""),
        best_epoch=best_epoch,
        history=_history(client, run),
        test={
            key: value
            for key, value in metrics.items()
            if key.startswith(_FINAL) and key != DIFFERENCE
        },
    )


def _history(client: MlflowClient, run: Run) -> pd.DataFrame:
    columns = {}
    for key in sorted(run.data.metrics):
        if key.startswith(_FINAL):
            continue
        points = client.get_metric_history(run.info.run_id, key)
        # A step that was logged again is kept twice; the later value counts.
        points = sorted(points, key=lambda point: point.timestamp)
        columns[key] = pd.Series({point.step: point.value for point in points})
    if not columns:
        return pd.DataFrame({"epoch": pd.Series(dtype=int)})
    table = pd.DataFrame(columns).rename_axis("epoch").sort_index().reset_index()
    return _completed(client, run, table)


def _completed(client: MlflowClient, run: Run, table: pd.DataFrame) -> pd.DataFrame:
    """With what is too much for metrics: the further numbers of several shifts."""
    if _SEVERAL not in run.data.params.get("also_evaluate", ""):
        return table
    with temporary_folder() as folder:
        try:
            file = download(client, run, HISTORY, folder, LARGEST_HISTORY)
            full = pd.read_csv(file)
            missing = [c for c in full.columns if c not in {*table.columns, "seed"}]
            return table.merge(full[["epoch", *missing]], on="epoch", how="left")
        except (FetchError, ValueError, KeyError):
            return table  # it has not ended, or its file is gone


def epochs_of(record: TrainingRecord) -> tuple[Epoch, ...]:
    """The finished epochs of a run, as training reported them."""
    return tuple(
        Epoch(
            epoch=int(row["epoch"]),
            metrics={str(k): float(v) for k, v in row.items() if k != "epoch"},
        )
        for row in record.history.to_dict("records")
    )
