"""The life of one MLflow run: opened or adopted, and ended with a true status."""

import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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

from icl_mlflow.tracking.location import without_secrets
from icl_mlflow.tracking.log import RunLog
from icl_mlflow.tracking.signals import (
    INTERRUPTED,
    TERMINATED,
    signals_put_off,
    sigterm_unwinds,
)
from icl_mlflow.tracking.source import git_state, user_name
from icl_mlflow.tracking.store import Store, StoreError
from icl_mlflow.version import VERSION

__all__ = ["RunLog", "open_run"]

_RUN_VARIABLE = "MLFLOW_RUN_ID"


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
) -> Iterator[RunLog]:
    """Open a run, or adopt the one that ``mlflow run`` opened for this process.

    ``mlflow run`` has then logged each ``-P`` as it was typed ("3e-4"), and MLflow
    refuses a second spelling (0.0003), so params only fill the gaps; the exact settings
    belong in an artifact.

    The run ends FINISHED; FAILED on an exception; KILLED on Ctrl-C and SIGTERM.

    Args:
        store: from `icl_mlflow.tracking.store.connect`.
        name: what the UI calls the run.
        kind: ``train``, ``suite`` or ``analysis``.
        params: the settings; None is left out.
        tags: task, variant, seed, ...; who runs which code is added.
        description: Markdown.
        parent_run_id: opens a new run below that one.
    """
    adopted = _adopted(store) if parent_run_id is None else None
    ours = {"kind": kind, **tags, MLFLOW_RUN_NOTE: description}
    if adopted is None:
        parent = {MLFLOW_PARENT_RUN_ID: parent_run_id} if parent_run_id else {}
        run = _create(store, name, {**_origin(), **parent, **ours})
    else:
        run = adopted
    log = RunLog(store, run.info.run_id)
    with _ended_truthfully(log):
        if adopted is not None:
            store.client.update_run(log.run_id, name=name)
            known = adopted.data.tags
            missing = {k: v for k, v in _origin().items() if k not in known}
            log.tags({**missing, MLFLOW_RUN_NAME: name, **ours})
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
    try:
        with signals_put_off():
            for run in store.client.search_runs([store.experiment_id], query):
                store.client.set_terminated(run.info.run_id, "KILLED")
    except MlflowException as failure:
        reason = without_secrets(str(failure), store.tracking_uri)
        _logger.warning(
            "runs below %s may not be marked as ended: %s", parent_run_id, reason
        )


def _adopted(store: Store) -> Run | None:
    """The run that ``mlflow run`` has opened; only the first call gets it."""
    run_id = os.environ.pop(_RUN_VARIABLE, None)
    if run_id is None:
        return None
    try:
        return store.client.get_run(run_id)
    except MlflowException as error:
        raise StoreError(
            f"{store.place} has no run {run_id!r}, which {_RUN_VARIABLE} names"
        ) from error


def _create(store: Store, name: str, tags: Mapping[str, object]) -> Run:
    texts = {key: str(value) for key, value in tags.items()}
    return store.client.create_run(store.experiment_id, tags=texts, run_name=name)


def _origin() -> dict[str, str]:
    """Who runs which code."""
    return {
        MLFLOW_USER: user_name(),
        MLFLOW_SOURCE_NAME: Path(sys.argv[0]).name,
        MLFLOW_SOURCE_TYPE: "LOCAL",
        "package_version": VERSION,
        **git_state(),
    }


@contextmanager
def _ended_truthfully(log: RunLog) -> Iterator[None]:
    try:
        with sigterm_unwinds():
            yield
    except BaseException as error:
        try:
            with signals_put_off():
                log.store.client.set_terminated(log.run_id, _status(error))
        except MlflowException as failure:
            # What ended the run matters more than that it could not be written down.
            reason = without_secrets(str(failure), log.store.tracking_uri)
            _logger.warning("run %s is not marked as ended: %s", log.run_id, reason)
        raise
    with signals_put_off():
        log.store.client.set_terminated(log.run_id, "FINISHED")


def _status(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "KILLED"
    if isinstance(error, SystemExit):
        killed = error.code in {INTERRUPTED, TERMINATED}
        done = error.code in {None, 0}
        return "KILLED" if killed else "FINISHED" if done else "FAILED"
    return "FAILED"
