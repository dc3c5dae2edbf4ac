"""Runs of models that were not trained here: imported ones, and those made by hand."""

import os
import time
from collections.abc import Mapping

from mlflow.entities import Metric

from icl_mlflow.tracking.store.connection import Store

#: The tag with the SHA-256 of the file that a run was imported from.
IMPORTED = "imported_sha256"
#: The tags with the name of a circuit and the SHA-256 of its weights.
CIRCUIT = "circuit"
COMPILED = "compiled_sha256"


def imported_run(store: Store, sha256: str, experiment: str) -> str | None:
    """The finished run that a file was imported as, or None.

    Args:
        store: where to look, in its experiment.
        sha256: of the file.
        experiment: the published experiment; two may hold the same file.
    """
    found = store.client.search_runs(
        [store.experiment_id],
        f"attributes.status = 'FINISHED' AND tags.{IMPORTED} = '{sha256}' "
        f"AND tags.published_experiment = '{experiment}'",
        max_results=1,
    )
    return found[0].info.run_id if found else None


def compiled_run(store: Store, circuit: str, sha256: str) -> str | None:
    """The finished run of a circuit with these weights, or None.

    Args:
        store: where to look, in its experiment.
        circuit: by its name.
        sha256: of the weights.
    """
    found = store.client.search_runs(
        [store.experiment_id],
        f"attributes.status = 'FINISHED' AND tags.{CIRCUIT} = '{circuit}' "
        f"AND tags.{COMPILED} = '{sha256}'",
        max_results=1,
    )
    return found[0].info.run_id if found else None


def is_adopting() -> bool:
    """Whether ``mlflow run`` has opened a run for this process, which must be ended."""
    return "MLFLOW_RUN_ID" in os.environ


def add_history(
    store: Store, run_id: str, epochs: Mapping[int, Mapping[str, float]]
) -> None:
    """Give a finished run the metrics of epochs that it does not have yet.

    Args:
        store: where the run is.
        run_id: of an imported run.
        epochs: number of the epoch to its metrics by tracked name.
    """
    known = {
        (key, point.step)
        for key in {key for metrics in epochs.values() for key in metrics}
        for point in store.client.get_metric_history(run_id, key)
    }
    now = int(time.time() * 1000)
    missing = [
        Metric(key, value, now, epoch)
        for epoch, metrics in epochs.items()
        for key, value in metrics.items()
        if (key, epoch) not in known
    ]
    if missing:
        store.client.log_batch(run_id, metrics=missing)
