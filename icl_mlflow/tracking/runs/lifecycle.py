"""The life of one MLflow run: opened or adopted, and ended with a true status."""

import itertools
import logging
import math
import os
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import (
    MLFLOW_PARENT_RUN_ID,
    MLFLOW_RUN_NAME,
    MLFLOW_RUN_NOTE,
    MLFLOW_SOURCE_NAME,
    MLFLOW_SOURCE_TYPE,
    MLFLOW_USER,
)

from icl_mlflow.tracking.local.claims import claimed, forget, last_host, rename
from icl_mlflow.tracking.local.liveness import HEARTBEAT, heartbeat
from icl_mlflow.tracking.local.provenance import git_state, user_name
from icl_mlflow.tracking.local.signals import (
    EndedEarlyError,
    ended_by,
    signals_unwind,
)
from icl_mlflow.tracking.outbox.destination import Destination
from icl_mlflow.tracking.outbox.records import Point, Status
from icl_mlflow.tracking.outbox.writer import RunWriter, now_ms
from icl_mlflow.tracking.runs.given_run import RUN_VARIABLE
from icl_mlflow.tracking.runs.outer_run import outer_run, said_before
from icl_mlflow.tracking.runs.ownership import Ownership, mark_ended
from icl_mlflow.tracking.runs.projects import RESUMED
from icl_mlflow.tracking.runs.run_log import RunLog
from icl_mlflow.tracking.store.connection import Store, StoreError
from icl_mlflow.tracking.store.failures import is_denied, whom
from icl_mlflow.tracking.store.preflight import within_limit
from icl_mlflow.tracking.store.quiet import quiet_mlflow
from icl_mlflow.tracking.store.retry import repeated
from icl_mlflow.tracking.store.uri import redacted
from icl_mlflow.version import VERSION

__all__ = ["RunLog", "open_run"]

#: Seconds that the marking of dead children may take.
_MARKING = 2.0

#: Runs that are looked through for one whose opening was not acknowledged.
_RECENT = 1_000

_logger = logging.getLogger(__name__)


@contextmanager
def open_run(
    store: Store,
    *,
    name: str,
    kind: str,
    params: Mapping[str, object],
    tags: Mapping[str, object],
    description: str,
    parent_run_id: str | None = None,
    run_id: str | None = None,
    last_sign: str | None = None,
) -> Iterator[RunLog]:
    """Open a run, or adopt the one that ``mlflow run`` opened for this process.

    ``mlflow run`` has then logged each ``-P`` as it was typed ("3e-4"), and MLflow
    refuses a second spelling (0.0003), so params only fill the gaps; the exact settings
    belong in an artifact.

    The run ends FINISHED; FAILED on an exception; KILLED on Ctrl-C, SIGTERM and
    `EndedEarlyError`. What
    the store cannot take by then waits on this machine for ``icl-mlflow sync``.

    Args:
        store: from `icl_mlflow.tracking.store.connection.connect`.
        name: what the UI calls the run.
        kind: ``train``, ``suite``, ``analysis``, ...
        params: the settings; None is left out.
        tags: task, variant, seed, ...; who runs which code is added.
        description: Markdown.
        parent_run_id: opens a new run below that one; by default below the run that
            ``mlflow.start_run`` has opened in this thread, if it has.
        run_id: opens that run again, which has not finished.
        last_sign: of the life of the process that had it, which is known to be dead;
            by default what the run says now.

    Raises:
        RunInUseError: a live process has the run, on this machine or another.
        StoreError: there is no such run, or it has finished.
    """
    # Only the first call gets what `mlflow run` has opened.
    given = None if parent_run_id else os.environ.pop(RUN_VARIABLE, None)
    outer = None if parent_run_id or given else outer_run(store.client)
    parent_run_id = outer.info.run_id if outer else parent_run_id
    parent = {MLFLOW_PARENT_RUN_ID: parent_run_id} if parent_run_id else {}
    ours = {**parent, "kind": kind, **tags, MLFLOW_RUN_NOTE: description}
    if run_id:
        run = _unfinished(store, run_id)
    elif given:
        run = _found(store, given, f", which {RUN_VARIABLE} names")
    else:
        run = _create(store, name, {**_origin(), **ours})
    had = repeated(lambda: _points(store, run)) if run_id else []
    if (run_id or given) and last_sign is None:
        last_sign = run.data.tags.get(HEARTBEAT, "")
    with quiet_mlflow(), _writing(store, run, name, last_sign, had) as writer:
        said = set[str]()
        if run_id or given:
            said = said_before(run.data.tags, description)
        known = [*had, *writer.outbox.points()]
        log = RunLog(store, writer, known, kept_tags=said)
        with _ended_truthfully(writer):
            if run.info.status != "RUNNING" or run_id:
                writer.outbox.put(Status(status="RUNNING", time=now_ms()))
            if run_id or given:
                log.tags({**_missing_origin(run), MLFLOW_RUN_NAME: name, **ours})
            if run_id and given and run_id != given:
                log.tags(_continued_in(run_id), run_id=given)
            log.params({k: v for k, v in params.items() if k not in run.data.params})
            yield log


def end_children(store: Store, parent_run_id: str, identity: str = "") -> None:
    """Mark runs below a parent KILLED whose process has died without a word.

    A store that cannot be asked is a warning: what the others achieved matters more.

    Args:
        store: where the parent is.
        parent_run_id: the suite's run.
        identity: of the settings of the member that died; by default all that run.
    """
    wanted = {MLFLOW_PARENT_RUN_ID: parent_run_id, "settings_hash": identity}
    of_member = [f"tags.`{key}` = '{value}'" for key, value in wanted.items() if value]
    query = " and ".join(["attributes.status = 'RUNNING'", *of_member])

    def mark() -> None:
        for run in store.client.search_runs([store.experiment_id], query):
            mark_ended(store.client, run.info.run_id, "KILLED")

    try:
        # Not for long: somebody may be waiting for this process to end.
        within_limit(mark, store.tracking_uri, _MARKING)
    except StoreError as failure:
        _logger.warning(
            "runs below %s may not be marked as ended: %s", parent_run_id, failure
        )


def _found(store: Store, run_id: str, naming: str = "") -> Run:
    try:
        return repeated(lambda: store.client.get_run(run_id))
    except MlflowException as error:
        raise StoreError(f"{store.place} has no run {run_id!r}{naming}") from error


def _unfinished(store: Store, run_id: str) -> Run:
    run = _found(store, run_id)
    if run.info.lifecycle_stage == "deleted":
        raise StoreError(
            f"run {run_id} is deleted; restore it with "
            f"`mlflow runs restore --run-id {run_id}`"
        )
    if run.info.status == "FINISHED":
        raise StoreError(f"run {run_id} has finished; there is nothing to go on with")
    return run


def _continued_in(run_id: str) -> dict[str, str]:
    """Tags of a run that ``mlflow run`` has opened in order to resume another one."""
    return {
        "kind": "resume",
        RESUMED: run_id,
        MLFLOW_RUN_NOTE: f"Continued in run {run_id}.",
    }


@contextmanager
def _writing(
    store: Store,
    run: Run,
    name: str,
    last_sign: str | None,
    had: Sequence[Point],
) -> Iterator[RunWriter]:
    """Have a run for this process alone, with a place to write to."""
    run_id = run.info.run_id
    ownership = Ownership(store.client, run_id)
    destination = Destination(
        run_id=run_id,
        name=name,
        experiment_id=run.info.experiment_id,
        place=store.place,
        experiment=store.experiment_name,
        tags={key: redacted(value) for key, value in run.data.tags.items()},
        params={key: redacted(value) for key, value in run.data.params.items()},
    )
    was_elsewhere = last_host(run_id) not in {None, socket.gethostname()}
    with claimed(run_id):
        writer: RunWriter | None = None
        try:
            if last_sign is not None:
                ownership.take(last_sign, was_elsewhere=was_elsewhere)
            try:
                writer = RunWriter(store, destination, ownership, had)
            except OSError:  # no place, and so no other way to say so
                mark_ended(store.client, run_id, "FAILED")
                raise
            yield writer
        finally:
            forget(run_id)
            if writer is not None:
                rename(run_id, writer.run_id)


def _points(store: Store, run: Run) -> list[Point]:
    """All metrics of a run, as a journal has them."""
    return [
        (key, point.value, point.timestamp, point.step)
        for key in run.data.metrics
        for point in store.client.get_metric_history(run.info.run_id, key)
        if math.isfinite(point.value)
    ]


def _create(store: Store, name: str, tags: Mapping[str, object]) -> Run:
    texts = {key: str(value) for key, value in tags.items()}
    calls = itertools.count()

    def create() -> Run:
        # An answer may have been lost, and the run be there.
        found = _created(store, name, texts) if next(calls) else None
        return found or store.client.create_run(
            store.experiment_id, tags=texts, run_name=name
        )

    try:
        return repeated(create)
    except MlflowException as error:
        if not is_denied(error):
            raise
        raise StoreError(
            f"{store.place} does not let {whom(store.tracking_uri)} add runs to "
            f"experiment {store.experiment_name!r}; ask its owner for the permission "
            "EDIT, or choose an experiment of your own"
        ) from error


def _created(store: Store, name: str, tags: Mapping[str, str]) -> Run | None:
    """The run of this name and these tags that this very process has opened."""
    recent = store.client.search_runs(
        [store.experiment_id], "attributes.status = 'RUNNING'", max_results=_RECENT
    )
    for run in recent:
        same = {key: run.data.tags.get(key) for key in tags}
        if run.info.run_name == name and same == tags:
            return run
    return None


def _origin() -> dict[str, str]:
    """Who runs which code."""
    return {
        MLFLOW_USER: user_name(),
        MLFLOW_SOURCE_NAME: Path(sys.argv[0]).name,
        MLFLOW_SOURCE_TYPE: "LOCAL",
        "package_version": VERSION,
        HEARTBEAT: heartbeat().text,
        **git_state(),
    }


def _missing_origin(run: Run) -> dict[str, str]:
    """Tags that tell who resumes a run; those that it has already stay."""
    # Its sign of life has been given when it was taken.
    known = {*run.data.tags, HEARTBEAT}
    return {k: v for k, v in _origin().items() if k not in known}


@contextmanager
def _ended_truthfully(writer: RunWriter) -> Iterator[None]:
    with signals_unwind():
        try:
            yield
        except BaseException as error:
            # What ended the run matters more than that it cannot be written down.
            with suppress(OSError):
                writer.end(_status(error))
            raise
        writer.end("FINISHED")


def _status(error: BaseException) -> str:
    if ended_by(error) or isinstance(error, EndedEarlyError):
        return "KILLED"
    is_done = isinstance(error, SystemExit) and error.code in {None, 0}
    return "FINISHED" if is_done else "FAILED"
