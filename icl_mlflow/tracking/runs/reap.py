"""Find and mark dead runs, which say RUNNING though their process has died."""

import datetime
import logging
from collections.abc import Collection
from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_USER

from icl_mlflow.tracking.local.claims import is_claimed, is_run_id
from icl_mlflow.tracking.local.liveness import HEARTBEAT, Heartbeat, parse
from icl_mlflow.tracking.local.safe_read import ModelError
from icl_mlflow.tracking.outbox.outbox import outbox_folder
from icl_mlflow.tracking.outbox.successor import move_to_successors
from icl_mlflow.tracking.runs.ownership import mark_ended
from icl_mlflow.tracking.runs.projects import RESUMED, is_of_project, opened_at
from icl_mlflow.tracking.runs.query import one_line_errors
from icl_mlflow.tracking.runs.resume import command_to_resume
from icl_mlflow.tracking.store.failures import is_denied

_RUNNING = "attributes.status = 'RUNNING'"
_PAGE = 1_000

#: How long a run that ``mlflow run`` has opened may wait for its process, which may
#: have an environment to be made first.
UNTAKEN = datetime.timedelta(hours=1)

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class DeadRun:
    """A run whose process has died without a word, or has never taken it.

    Attributes:
        run_id, name: of the run.
        beat: its last sign of life; None if ``mlflow run`` has opened it and no process
            has taken it.
        heard: when it was last heard of.
        resume: the command that resumes it; None if it cannot be resumed on this
            machine.
        has_records: whether records wait on this machine for ``icl-mlflow sync``.
    """

    run_id: str
    name: str
    beat: Heartbeat | None
    heard: datetime.datetime
    resume: str | None
    has_records: bool


def dead_runs(
    client: MlflowClient,
    older_than: datetime.timedelta,
    untaken: datetime.timedelta = UNTAKEN,
) -> list[DeadRun]:
    """The dead runs of this project in all experiments, the longest dead first.

    A run of this machine is dead if its process is gone; one of another machine if it
    has been silent for ``older_than``. One that ``mlflow run`` has opened for an entry
    point of this project is, if no process has taken it within ``untaken``. Runs of
    other programs give no signs of life, and are left alone.

    Raises:
        ModelError: MLflow fails; the message is one line.
    """
    with one_line_errors(client):
        running = _running(client)
    move_to_successors()  # where the command is looked for that goes on with a run
    ids = {run.info.run_id for run in running}
    found = []
    for run in running:
        beat = _beat(run)
        if beat is None:
            is_dead = _is_untaken(run, untaken) and not _continues_in(run, ids)
        else:
            is_dead = _is_dead(run.info.run_id, beat, older_than)
        if is_dead:
            found.append(_dead_run(client, run, beat))
    return sorted(found, key=lambda dead: dead.heard)


class NotOurRunError(ModelError):
    """A dead run is another user's, who alone may mark it; the message says so."""


def mark_killed(client: MlflowClient, dead: DeadRun) -> bool:
    """Mark a dead run KILLED; whether it was still as dead as when it was found.

    Raises:
        NotOurRunError: this user may not change it.
        ModelError: MLflow fails; the message is one line.
    """
    with one_line_errors(client):
        run = client.get_run(dead.run_id)
        still = run.info.status == "RUNNING"
        if not still or parse(run.data.tags.get(HEARTBEAT, "")) != dead.beat:
            return False
        try:
            mark_ended(client, dead.run_id, "KILLED")
        except MlflowException as error:
            if not is_denied(error):
                raise
            who = run.data.tags.get(MLFLOW_USER, "another user")
            raise NotOurRunError(
                f"left to {who}, whose run it is: it takes the permission EDIT on the "
                "experiment to mark it"
            ) from error
    return True


def _running(client: MlflowClient) -> list[Run]:
    found: list[Run] = []
    experiments = [e.experiment_id for e in client.search_experiments()]
    token = None
    while True:
        page = client.search_runs(
            experiments, _RUNNING, max_results=_PAGE, page_token=token
        )
        found += page
        token = page.token
        if not token:
            return found


def _beat(run: Run) -> Heartbeat | None:
    """The sign of life of a run; one that cannot be read stops nobody."""
    text = run.data.tags.get(HEARTBEAT, "")
    beat = parse(text)
    if text and beat is None:
        _logger.warning(
            "run %s is passed over: its tag %s cannot be read",
            run.info.run_id,
            HEARTBEAT,
        )
    return beat


def _is_dead(run_id: str, beat: Heartbeat, older_than: datetime.timedelta) -> bool:
    claimed_here = is_run_id(run_id) and is_claimed(run_id)
    return beat.is_dead(older_than) and not claimed_here


def _is_untaken(run: Run, limit: datetime.timedelta) -> bool:
    """Whether ``mlflow run`` has opened a run for us long ago, and nobody has it."""
    if HEARTBEAT in run.data.tags or not is_of_project(run):
        return False
    return datetime.datetime.now(datetime.UTC) - opened_at(run) > limit


def _continues_in(run: Run, running: Collection[str]) -> bool:
    """Whether its process has resumed another run, and is still training it."""
    return run.data.tags.get(RESUMED, "") in running


def _dead_run(client: MlflowClient, run: Run, beat: Heartbeat | None) -> DeadRun:
    run_id = run.info.run_id
    return DeadRun(
        run_id=run_id,
        name=run.info.run_name,
        beat=beat,
        heard=beat.given if beat else opened_at(run),
        resume=command_to_resume(client, run_id),
        has_records=is_run_id(run_id) and outbox_folder(run_id).is_dir(),
    )
