"""Successors: runs made from a journal in place of runs that their store has lost.

A store that was restored from a copy older than a run does not know the run. All that
was written for it goes to a successor, which says whose place it takes.
"""

import contextlib
from dataclasses import replace

from mlflow.entities import Param
from mlflow.exceptions import MlflowException, RestException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from icl_mlflow.tracking.local.claims import claimed, local_runs, rename
from icl_mlflow.tracking.local.liveness import HEARTBEAT, heartbeat
from icl_mlflow.tracking.outbox.destination import (
    DELIVERED,
    Destination,
    last_progress,
)
from icl_mlflow.tracking.outbox.outbox import outbox_folder
from icl_mlflow.tracking.store.connection import Store, StoreError, named_experiment
from icl_mlflow.tracking.store.uri import SERVERS, scheme_of

#: The tag that holds the id of the run that is gone.
PREVIOUS = "previous_run_id"


def is_gone(store: Store, run_id: str) -> bool:
    """Whether the store says that it has no such run, not even a deleted one.

    Raises:
        Exception: whatever MLflow, the network or the database raises.
    """
    try:
        store.client.get_run(run_id)
    except MlflowException as error:
        # A page "not found" of something else on the way says nothing of the run.
        is_its_word = (
            isinstance(error, RestException)
            or scheme_of(store.tracking_uri) not in SERVERS
        )
        is_said = error.error_code == "RESOURCE_DOES_NOT_EXIST" and run_id in str(error)
        if is_said and is_its_word:
            return True
        raise
    return False


def make_anew(store: Store, destination: Destination, run_id: str) -> str:
    """Open the successor of a run that is gone; its id.

    One that an earlier attempt has opened is taken.

    Args:
        store: that has lost the run.
        destination: what the run was when it was opened.
        run_id: that it had last.

    Raises:
        StoreError: something answers that is no tracking store.
        Exception: whatever MLflow, the network or the database raises.
    """
    experiment_id = _experiment(store, destination)
    here = replace(store, experiment_id=experiment_id)
    made = _successor(here, run_id) or _create(here, destination, run_id)
    params = [Param(key, value) for key, value in destination.params.items()]
    if params:
        store.client.log_batch(made, params=params, synchronous=True)
    for child in store.client.search_runs(
        [experiment_id], f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{run_id}'"
    ):
        store.client.set_tag(child.info.run_id, MLFLOW_PARENT_RUN_ID, made)
    return made


def move_to_successors() -> None:
    """Let what is kept here of runs that were made anew be found under the new ids.

    The process that made one anew does that at its end, unless it was killed. What a
    live process has, or may not be moved, stays where it is.
    """
    for run_id in local_runs():
        with contextlib.suppress(OSError, ValueError):
            made = last_progress(outbox_folder(run_id) / DELIVERED).run_id
            if made and made != run_id:
                with claimed(run_id, "moved"):
                    rename(run_id, made)


def _experiment(store: Store, destination: Destination) -> str:
    """Where the run was: by name, since a number may mean another one by now."""
    if destination.experiment:
        return named_experiment(store.client, destination.experiment)
    return destination.experiment_id


def _successor(store: Store, run_id: str) -> str | None:
    found = store.client.search_runs(
        [store.experiment_id],
        f"tags.{PREVIOUS} = '{run_id}'",
        max_results=1,
        order_by=["attributes.start_time ASC"],
    )
    return found[0].info.run_id if found else None


def _create(store: Store, destination: Destination, run_id: str) -> str:
    tags = {**destination.tags, HEARTBEAT: heartbeat().text, PREVIOUS: run_id}
    if parent := tags.get(MLFLOW_PARENT_RUN_ID):
        tags[MLFLOW_PARENT_RUN_ID] = _successor(store, parent) or parent
    run = store.client.create_run(
        store.experiment_id, tags=tags, run_name=destination.name
    )
    made: str = run.info.run_id
    if not made:
        raise StoreError(f"{store.place} answers, but not as a tracking server does")
    return made
