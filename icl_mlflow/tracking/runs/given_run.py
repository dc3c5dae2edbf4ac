"""The run that MLFLOW_RUN_ID names: what ``mlflow run`` has opened for this process.

The variable may as well be a stale one of the shell, so the run that it names is looked
at as one that ``--resume`` names is.
"""

import os
from collections.abc import Mapping

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from icl_mlflow.tracking.local.claims import is_claimed, is_run_id
from icl_mlflow.tracking.runs.ownership import living_owner
from icl_mlflow.tracking.store.retry import repeated
from icl_mlflow.tracking.store.uri import StoreError, shown

RUN_VARIABLE = "MLFLOW_RUN_ID"

#: The kind of run that can be resumed.
_TRAINING = "train"


def given_run(client: MlflowClient, *, may_resume: bool = False) -> Run | None:
    """The run of MLFLOW_RUN_ID, which this process may take; None without any.

    Args:
        client: of the store.
        may_resume: a training that was cut off will do, whose settings are still to be
            compared; otherwise only a run that nobody has had before.

    Raises:
        StoreError: there is no such run, or it is not for this process.
    """
    run_id = os.environ.get(RUN_VARIABLE)
    if not run_id:
        return None
    try:
        run = repeated(lambda: client.get_run(run_id))
    except MlflowException as error:
        place = shown(client.tracking_uri)
        raise StoreError(
            f"{place} has no run {run_id!r}, which {RUN_VARIABLE} names"
        ) from error
    why = _why_not(client, run, may_resume=may_resume)
    if why:
        raise StoreError(
            f"run {run_id}, which {RUN_VARIABLE} names, {why}; "
            f"unset {RUN_VARIABLE} for a new run"
        )
    return run


def training_to_resume(tags: Mapping[str, str]) -> bool:
    """Whether a run with these tags is one that a training has had before."""
    return tags.get("kind") == _TRAINING


def _why_not(client: MlflowClient, run: Run, *, may_resume: bool) -> str:
    """Why a run is not for this process; empty if it is."""
    if run.info.lifecycle_stage == "deleted":
        return "is deleted"
    if run.info.status == "FINISHED":
        return "has finished"
    if is_run_id(run.info.run_id) and is_claimed(run.info.run_id):
        return "is being written by another process"
    owner = living_owner(client, run)
    if owner is not None:
        return f"is being written by process {owner.pid} on {owner.host}"
    kind = run.data.tags.get("kind")
    if kind is None or (may_resume and kind == _TRAINING):
        return ""
    return f"has been used before (its tag kind is {kind!r})"
