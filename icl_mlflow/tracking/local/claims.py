"""The folder that this machine keeps for each run until the run is safely over.

``ROOT/runs/RUN_ID`` holds the checkpoints and the journal of a run, and a lock that the
process has which trains it. ROOT is ICL_MLFLOW_STATE, or ``.icl_mlflow`` beside the
embedded database; with a server ``icl-mlflow/HOST`` in the user's state folder, where
the next attempt finds it, in whatever folder that is started.
"""

import contextlib
import fcntl
import json
import os
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from icl_mlflow.files import naming
from icl_mlflow.tracking.store.uri import (
    StoreError,
    anchored,
    scheme_of,
    sqlite_file,
    tracking_uri,
)

STATE_VARIABLE, STATE = "ICL_MLFLOW_STATE", ".icl_mlflow"

CHECKPOINTS = "checkpoints"
JOURNAL = "journal"
TRAIN_LOG = "train.log"

#: Which run to resume, where no id is given: the newest that can be, or none.
AUTO, NEVER = "auto", "never"

_LOCK, _OWNER = "lock", "owner.json"

#: Seconds to try for a lock: one who only asks whether it is held has it for a moment.
_PATIENCE = 0.5

#: Times to try to make a folder.
_ATTEMPTS = 100

#: The folder of this package among those where programs of a user keep their state.
_OURS = "icl-mlflow"

#: What MLflow makes run ids of; none leads out of the folder of all runs.
_RUN_ID = re.compile(r"[a-zA-Z0-9][\w-]{0,255}", re.ASCII)


class RunInUseError(ValueError):
    """A live process has the run; the message is one line and says which."""


def runs_folder() -> Path:
    """The folder of all runs, which may not exist; its parent is ROOT."""
    given = os.environ.get(STATE_VARIABLE, "").strip()
    if given:
        return anchored(Path(given)) / "runs"
    uri = tracking_uri()
    if scheme_of(uri) == "sqlite":
        return sqlite_file(uri).parent / STATE / "runs"
    return _state_of_user() / _OURS / _file_name(uri) / "runs"


def _state_of_user() -> Path:
    """Where programs keep what the next start needs: XDG_STATE_HOME, if it is set.

    Raises:
        StoreError: the user has no home.
    """
    given = Path(os.environ.get("XDG_STATE_HOME", ""))
    if given.is_absolute():  # others are to be ignored, says the specification
        return given
    try:
        return Path.home() / ".local" / "state"
    except RuntimeError as error:
        raise StoreError(
            f"this user has no home folder; set {STATE_VARIABLE} to a folder for what "
            "the next start needs"
        ) from error


def _file_name(uri: str) -> str:
    """A folder name for the host of a store, and its port."""
    host = urlsplit(uri).netloc.rpartition("@")[2]
    return "".join(c if c.isalnum() or c in "-." else "_" for c in host).lstrip(".")


def is_run_id(text: str) -> bool:
    """Whether a text has the form of a run id of MLflow.

    >>> [is_run_id(text) for text in ("0a1b2c", "../0a1b2c", "")]
    [True, False, False]
    """
    return _RUN_ID.fullmatch(text) is not None


def state_folder(run_id: str) -> Path:
    """The folder of a run's local state, which may not exist.

    Raises:
        ValueError: not a run id.
    """
    if not is_run_id(run_id):
        raise ValueError(f"{run_id!r} is not a run id")
    return runs_folder() / run_id


def local_runs() -> list[str]:
    """The ids of all runs with local state, in order of their names."""
    folder = runs_folder()
    if not folder.is_dir():
        return []
    return sorted(f.name for f in folder.iterdir() if is_run_id(f.name))


@contextmanager
def claimed(run_id: str, doing: str = "trained") -> Iterator[Path]:
    """Lock a run for this process alone; yields its folder, made where missing.

    The system lets go of the lock when the process dies, however it does.

    Args:
        run_id: of the run.
        doing: what is being done to it, for those who want it too.

    Raises:
        RunInUseError: another process has it, or another thread of this one.
        OSError: a link in the folder, which would lead out of it.
    """
    folder = state_folder(run_id)
    _make(folder)
    _check_links(folder)
    lock = FileLock(folder / _LOCK)
    try:
        lock.acquire(timeout=_PATIENCE)
    except Timeout:
        raise RunInUseError(
            f"run {run_id} is being {_owner(folder)}; wait for its end"
        ) from None
    try:
        _say_who(folder, doing)
        yield folder
    finally:
        lock.release()


def forget(run_id: str) -> None:
    """Remove the folder of a claimed run in which nothing is kept any more.

    Folders above it go with the last one. A folder that holds something stays.
    """
    folder = state_folder(run_id)
    if {file.name for file in folder.iterdir()} <= {_LOCK, _OWNER, TRAIN_LOG}:
        shutil.rmtree(folder)
    for parent in (folder.parent, folder.parent.parent):
        with contextlib.suppress(OSError):  # it is not empty, or already gone
            parent.rmdir()


def rename(run_id: str, new_id: str) -> None:
    """Move the folder of a claimed run to another run id, if there is one.

    The run that it was is gone from its store, and another one was made in its place.
    """
    folder = state_folder(run_id)
    if new_id != run_id and folder.is_dir():
        folder.replace(state_folder(new_id))


def is_claimed(run_id: str) -> bool:
    """Whether a live process of this machine has the run."""
    if not state_folder(run_id).is_dir():  # asking would make it
        return False
    try:
        with FileLock(state_folder(run_id) / _LOCK).acquire(timeout=0):
            return False
    except FileNotFoundError:  # there is no such folder, or no longer
        return False
    except Timeout:
        return True
    except OSError:  # we may look, but not write; that takes no lock from anybody
        return _is_locked(state_folder(run_id) / _LOCK)


def _is_locked(file: Path) -> bool:
    """Whether somebody has the lock on a file that we may only read.

    A file that cannot be read either tells nothing.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def begin_checkpoints(run_id: str) -> Path:
    """Make the folder of a run's checkpoints, from which training can be resumed."""
    folder = state_folder(run_id) / CHECKPOINTS
    folder.mkdir(exist_ok=True)
    return folder


def has_checkpoints(run_id: str) -> bool:
    """Whether training of a run can be resumed on this machine."""
    return (state_folder(run_id) / CHECKPOINTS).is_dir()


def end_checkpoints(run_id: str) -> None:
    """Remove the checkpoints of a run, which then cannot be resumed."""
    with claimed(run_id, "tidied up") as folder:
        shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
        forget(run_id)


def _make(folder: Path) -> None:
    """Make a folder, though `forget` may remove those above it at the same time.

    What lies with the user's things is closed to others, whatever the umask.
    """
    for _ in range(_ATTEMPTS):
        with contextlib.suppress(FileNotFoundError):
            _make_private(folder)
            folder.mkdir(parents=True, exist_ok=True)
            return
    folder.mkdir(parents=True, exist_ok=True)


def _make_private(folder: Path) -> None:
    with contextlib.suppress(StoreError):  # the user has no home, nor needs one
        root = _state_of_user() / _OURS
        if folder.is_relative_to(root):
            root.parent.mkdir(parents=True, exist_ok=True)
            root.mkdir(mode=0o700, exist_ok=True)


def _check_links(folder: Path) -> None:
    for file in (folder, *folder.rglob("*")):
        if file.is_symlink():
            raise OSError(f"{file} is a link, which would lead out of the folder")


def _say_who(folder: Path, doing: str) -> None:
    content = {"host": socket.gethostname(), "pid": os.getpid(), "doing": doing}
    with naming(folder / _OWNER):
        (folder / _OWNER).write_text(json.dumps(content), encoding="utf-8")


def last_host(run_id: str) -> str | None:
    """The machine whose process had a run last, as its folder here says, if it does."""
    try:
        return str(_last_owner(state_folder(run_id))["host"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _last_owner(folder: Path) -> Any:
    return json.loads((folder / _OWNER).read_text(encoding="utf-8"))


def _owner(folder: Path) -> str:
    try:
        owner = _last_owner(folder)
        done = owner.get("doing", "trained")
        return f"{done} by process {owner['pid']} on {owner['host']}"
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return "used by another process"  # which has not yet said who it is
