"""Which runs say that they are running, though their process has died?"""

import datetime
import logging
from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.entities import Run

from icl_mlflow.tracking.heartbeat import HEARTBEAT, Heartbeat, parse
from icl_mlflow.tracking.outbox import outbox_folder
from icl_mlflow.tracking.resume import command_to_resume
from icl_mlflow.tracking.runs import one_line_errors
from icl_mlflow.tracking.state import has_checkpoints, is_claimed, is_run_id

_RUNNING = "attributes.status = 'RUNNING'"
_PAGE = 1_000

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class DeadRun:
    """A run whose process has died without a word.

    Attributes:
        run_id, name: of the run.
        beat: its last sign of life.
        resume: the command that goes on with it; None if it cannot be resumed on this
            machine.
        has_records: whether records wait on this machine for ``icl-mlflow sync``.
    """

    run_id: str
    name: str
    beat: Heartbeat
    resume: str | None
    has_records: bool


def dead_runs(client: MlflowClient, older_than: datetime.timedelta) -> list[DeadRun]:
    """The dead runs of this project in all experiments, the longest dead first.

    A run of this machine is dead if its process is gone; one of another machine if it
    has been silent for ``older_than``. Runs of other programs give no signs of life,
    and are left alone.

    Raises:
        ModelError: MLflow fails; the message is one line.
    """
    with one_line_errors(client):
        running = _running(client)
    found = [
        _dead_run(client, run, beat)
        for run in running
        if (beat := _beat(run)) and _is_dead(run.info.run_id, beat, older_than)
    ]
    return sorted(found, key=lambda dead: dead.beat.time)


def mark_killed(client: MlflowClient, dead: DeadRun) -> bool:
    """Mark a dead run KILLED; whether it was still as dead as when it was found.

    Raises:
        ModelError: MLflow fails; the message is one line.
    """
    with one_line_errors(client):
        run = client.get_run(dead.run_id)
        still = run.info.status == "RUNNING"
        if not still or parse(run.data.tags.get(HEARTBEAT, "")) != dead.beat:
            return False
        client.set_terminated(dead.run_id, "KILLED")
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


def _dead_run(client: MlflowClient, run: Run, beat: Heartbeat) -> DeadRun:
    run_id = run.info.run_id
    resumable = is_run_id(run_id) and has_checkpoints(run_id)
    return DeadRun(
        run_id=run_id,
        name=run.info.run_name,
        beat=beat,
        resume=command_to_resume(client, run_id) if resumable else None,
        has_records=outbox_folder(run_id).is_dir(),
    )
