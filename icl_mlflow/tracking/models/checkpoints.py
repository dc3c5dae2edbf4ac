"""Checkpoints of a run as models in the store: one an epoch, with what it measured."""

from pathlib import Path

from mlflow.entities import Metric, Run

from icl_mlflow.tracking.models.logged_models import (
    ModelOfRun,
    SizeOf,
    store_model,
    stored_model,
)
from icl_mlflow.tracking.outbox.records import CheckpointModel
from icl_mlflow.tracking.store.connection import Store, answered_run
from icl_mlflow.tracking.store.mlflow_internals import logged_model_name


def checkpoint_name(run_name: str, epoch: int) -> str:
    """What the UI calls the weights of a run after an epoch.

    >>> checkpoint_name("A-noisy_labels_0.2-seed0", 3)
    'A-noisy_labels_0_2-seed0-epoch3'
    """
    return logged_model_name(f"{run_name}-epoch{epoch}")


def store_checkpoint(
    store: Store, run_id: str, folder: Path, wanted: CheckpointModel, size_of: SizeOf
) -> None:
    """Store a checkpoint as a model of its run, with its metrics.

    What an earlier attempt has done stays as it is. The run has the same metrics, and a
    row that is equal in key, value, time and step is stored once.

    Args:
        store: where the run is.
        run_id: of the run.
        folder: from `icl_mlflow.tracking.models.packaging.packaged`; gets the model's
            id and place.
        wanted: what to store.
        size_of: bytes of a file by its SHA-256, as far as they are known.
    """
    run = answered_run(store, run_id)
    model_id = store_model(store, run, folder, _of_run(wanted), size_of)
    metrics = [
        Metric(key, value, time, step, model_id=model_id)
        for key, value, time, step in wanted.points
    ]
    if metrics:
        store.client.log_batch(run_id, metrics, synchronous=True)


def is_checkpoint_stored(
    store: Store, run: Run, wanted: CheckpointModel, size_of: SizeOf
) -> bool:
    """Whether the store has a checkpoint of a run, with its files and metrics."""
    stored = stored_model(store, run, _of_run(wanted), size_of)
    if stored is None:
        return False
    known = {metric.key for metric in stored.metrics or []}
    return {key for key, *_ in wanted.points} <= known


def _of_run(wanted: CheckpointModel) -> ModelOfRun:
    return ModelOfRun(
        name=wanted.name,
        sha256=wanted.sha256,
        files=wanted.files,
        params=wanted.params,
        tags=wanted.facts,
        step=wanted.step,
    )
