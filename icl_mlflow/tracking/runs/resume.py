"""Find the unfinished run that a training is resumed in, and check that it can be."""

import os
import shlex
from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from icl_mlflow.settings import values_of
from icl_mlflow.tracking.local.claims import (
    AUTO,
    NEVER,
    has_checkpoints,
    is_claimed,
    is_run_id,
    state_folder,
)
from icl_mlflow.tracking.local.liveness import HEARTBEAT
from icl_mlflow.tracking.local.safe_read import LONGEST_JSON, content_of, json_of
from icl_mlflow.tracking.local.temporary import temporary_folder
from icl_mlflow.tracking.outbox.destination import LaterFormatError, check_format
from icl_mlflow.tracking.outbox.outbox import outbox_folder
from icl_mlflow.tracking.outbox.successor import move_to_successors
from icl_mlflow.tracking.runs.given_run import RUN_VARIABLE, training_to_resume
from icl_mlflow.tracking.runs.ownership import living_owner
from icl_mlflow.tracking.store.connection import Store, StoreError
from icl_mlflow.tracking.store.retry import repeated
from icl_mlflow.tracking.store.run_files import download
from icl_mlflow.training.settings import TrainSettings

_SETTINGS = "settings.json"


class NotResumableError(ValueError):
    """A run cannot be resumed; the message is one line and says why."""


@dataclass(frozen=True, kw_only=True)
class UnfinishedRun:
    """A run to resume, which no live process has.

    Attributes:
        run_id: of the run.
        sign: the last sign of life of the process that had it.
    """

    run_id: str
    sign: str


def run_to_resume(store: Store, identity: str, wanted: str) -> UnfinishedRun | None:
    """The run to resume, or None for a new one.

    Args:
        store: where the runs are.
        identity: of the settings.
        wanted: ``auto`` for the newest unfinished run of these settings that has left
            a checkpoint here and that no live process has, here or elsewhere;
            ``never``; or a run's id.

    Raises:
        NotResumableError: the run that is named cannot be resumed.
    """
    if wanted == NEVER:
        return None
    move_to_successors()
    if wanted == AUTO:
        found = _newest(store, identity)
    else:
        run = _run(store, wanted)
        _check(store.client, run, identity)
        found = _unfinished(run)
    if found is not None:
        _check_journal(found.run_id)
    return found


def _check_journal(run_id: str) -> None:
    try:
        check_format(outbox_folder(run_id))
    except LaterFormatError as error:
        raise NotResumableError(str(error)) from error


def run_to_open(store: Store, identity: str, wanted: str) -> UnfinishedRun | None:
    """The run to resume, or None, where MLFLOW_RUN_ID may name a training.

    One that it names is resumed, or none is; otherwise see `run_to_resume`.
    """
    run_id = os.environ.get(RUN_VARIABLE)
    if not run_id or not training_to_resume(_run(store, run_id).data.tags):
        return run_to_resume(store, identity, wanted)
    if wanted not in {AUTO, run_id}:
        raise NotResumableError(
            f"run {run_id}, which {RUN_VARIABLE} names, is a training that was cut "
            f"off, and not what --resume {wanted} asks for; unset {RUN_VARIABLE}"
        )
    try:
        return run_to_resume(store, identity, run_id)
    except NotResumableError as error:
        raise NotResumableError(
            f"{error} ({RUN_VARIABLE} names it; unset that for a new run)"
        ) from error


def command_to_resume(client: MlflowClient, run_id: str) -> str | None:
    """The command that resumes a run, with all of its settings.

    None for a run that cannot be resumed here, or whose settings cannot be read: a
    store that was away may not have them before ``icl-mlflow sync``.
    """
    settings = _settings_of(client, run_id)
    if settings is None or not is_run_id(run_id) or not has_checkpoints(run_id):
        return None
    return command_with_settings(run_id, settings)


def command_with_settings(run_id: str, settings: TrainSettings) -> str:
    """The command that resumes a run whose settings are known."""
    return shlex.join(
        ["icl-mlflow", "train", "--resume", run_id, *options_of(settings)]
    )


def options_of(settings: TrainSettings) -> list[str]:
    """The words of a command line that say what is not as it is by default."""
    usual = values_of(TrainSettings())
    return [
        word
        for name, value in values_of(settings).items()
        if value not in {None, usual.get(name)}
        for word in (f"--{name}", str(value))
    ]


def _why_another(client: MlflowClient, run_id: str, identity: str) -> str:
    """Why a run of another stored identity cannot be resumed, and what can be."""
    settings = _settings_of(client, run_id)
    if settings is None:
        return f"run {run_id} has other settings, or none that can be read"
    if settings.identity != identity:
        return (
            f"run {run_id} has other settings; go on with it by: "
            f"{command_with_settings(run_id, settings)}"
        )
    return (
        f"run {run_id} has these settings, but was begun by a version of icl-mlflow "
        f"with other results; go on with that one, or start anew with --resume {NEVER}"
    )


def _settings_of(client: MlflowClient, run_id: str) -> TrainSettings | None:
    try:
        with temporary_folder() as folder:
            run = client.get_run(run_id)
            file = download(client, run, _SETTINGS, folder, LONGEST_JSON)
            return TrainSettings(**json_of(content_of(file, LONGEST_JSON)))
    except (MlflowException, StoreError, OSError, ValueError, TypeError):
        return None


def _newest(store: Store, identity: str) -> UnfinishedRun | None:
    query = (
        "attributes.status != 'FINISHED' AND tags.kind = 'train' "
        f"AND tags.settings_hash = '{identity}'"
    )
    found = repeated(
        lambda: store.client.search_runs(
            [store.experiment_id], query, order_by=["attributes.start_time DESC"]
        )
    )
    for run in found:
        run_id: str = run.info.run_id
        if (
            has_checkpoints(run_id)
            and not is_claimed(run_id)
            and living_owner(store.client, run) is None
        ):
            return _unfinished(run)
    return None


def _unfinished(run: Run) -> UnfinishedRun:
    return UnfinishedRun(run_id=run.info.run_id, sign=run.data.tags.get(HEARTBEAT, ""))


def _run(store: Store, run_id: str) -> Run:
    try:
        state_folder(run_id)
        return repeated(lambda: store.client.get_run(run_id))
    except (MlflowException, ValueError) as error:
        raise NotResumableError(
            f"{store.place} has no run {run_id!r} to go on with; give {AUTO}, {NEVER} "
            "or the id of a training run"
        ) from error


def _check(client: MlflowClient, run: Run, identity: str) -> None:
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
        raise NotResumableError(_why_another(client, run_id, identity))
    owner = None if is_claimed(run_id) else living_owner(client, run)
    if owner is not None:
        raise NotResumableError(
            f"run {run_id} is being trained by process {owner.pid} on {owner.host}; "
            "wait for its end"
        )
    if not has_checkpoints(run_id):
        raise NotResumableError(
            f"run {run_id} has left no checkpoint in {state_folder(run_id)}; go on "
            f"where it was trained, or start anew with --resume {NEVER}"
        )
