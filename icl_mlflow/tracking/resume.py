"""Which unfinished run a training goes on with, if any."""

import datetime

from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from icl_mlflow.tracking.heartbeat import HEARTBEAT, parse
from icl_mlflow.tracking.state import (
    AUTO,
    NEVER,
    has_checkpoints,
    is_claimed,
    state_folder,
)
from icl_mlflow.tracking.store import Store

#: How long a process on another machine may be silent and still be thought alive.
_SILENCE = datetime.timedelta(minutes=5)


class NotResumableError(ValueError):
    """Training cannot go on with a run; the message is one line and says why."""


def run_to_resume(store: Store, identity: str, wanted: str) -> str | None:
    """The id of the run to go on with, or None for a new one.

    Args:
        store: where the runs are.
        identity: of the settings.
        wanted: ``auto`` for the newest unfinished run of these settings that has left
            a checkpoint here and that no live process has; ``never``; or a run's id.

    Raises:
        NotResumableError: the run that is named cannot be gone on with.
    """
    if wanted == NEVER:
        return None
    if wanted == AUTO:
        return _newest(store, identity)
    _check(_run(store, wanted), identity)
    return wanted


def _newest(store: Store, identity: str) -> str | None:
    query = (
        "attributes.status != 'FINISHED' AND tags.kind = 'train' "
        f"AND tags.settings_hash = '{identity}'"
    )
    for run in store.client.search_runs(
        [store.experiment_id], query, order_by=["attributes.start_time DESC"]
    ):
        run_id: str = run.info.run_id
        if has_checkpoints(run_id) and not is_claimed(run_id):
            return run_id
    return None


def _run(store: Store, run_id: str) -> Run:
    try:
        state_folder(run_id)
        return store.client.get_run(run_id)
    except (MlflowException, ValueError) as error:
        raise NotResumableError(
            f"{store.place} has no run {run_id!r} to go on with; give {AUTO}, {NEVER} "
            "or the id of a training run"
        ) from error


def _check(run: Run, identity: str) -> None:
    run_id, tags = run.info.run_id, run.data.tags
    if tags.get("kind") != "train":
        raise NotResumableError(f"run {run_id} is not a training run")
    if run.info.lifecycle_stage == "deleted":
        raise NotResumableError(
            f"run {run_id} is deleted; restore it with "
            f"`mlflow runs restore --run-id {run_id}`"
        )
    if run.info.status == "FINISHED":
        raise NotResumableError(f"run {run_id} has finished")
    if tags.get("settings_hash") != identity:
        raise NotResumableError(
            f"run {run_id} has other settings; give those of its settings.json"
        )
    if not has_checkpoints(run_id):
        beat = parse(tags.get(HEARTBEAT, ""))
        if run.info.status == "RUNNING" and beat and not beat.is_dead(_SILENCE):
            raise NotResumableError(
                f"run {run_id} is being trained by process {beat.pid} on {beat.host}"
            )
        raise NotResumableError(
            f"run {run_id} has left no checkpoint in {state_folder(run_id)}; go on "
            f"where it was trained, or start anew with --resume {NEVER}"
        )
