"""List the runs of this machine with records that their store may not have yet.

Asked without importing MLflow, so that an answer of none takes no time.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from icl_mlflow.tracking.local.claims import (
    STATE,
    STATE_VARIABLE,
    has_checkpoints,
    local_runs,
)
from icl_mlflow.tracking.outbox.outbox import outbox_folder


@contextmanager
def state_in(folder: Path | None) -> Iterator[None]:
    """Look for records in a folder ``.icl_mlflow``, or in one with such a folder in it.

    None stands for where runs of this place keep them.
    """
    if folder is None:
        yield
        return
    inner = folder / STATE
    with variable(STATE_VARIABLE, str((inner if inner.is_dir() else folder).resolve())):
        yield


def waiting_runs() -> list[str]:
    """The ids of the runs with records that wait, or that a live process writes to."""
    return [run for run in local_runs() if outbox_folder(run).is_dir()]


def resumable_runs() -> list[str]:
    """The ids of the runs that have checkpoints here, and nothing to deliver."""
    waiting = waiting_runs()
    return [run for run in local_runs() if has_checkpoints(run) and run not in waiting]


@contextmanager
def variable(name: str, value: str) -> Iterator[None]:
    """Set a variable of the environment for a while."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before
