"""Check that the tracking store can be used, before anything is created.

One that is away is known within 5 s. One that is crowded, and answers others meanwhile,
gets more time.
"""

import math
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

import requests

from icl_mlflow.tracking.local.claims import STATE_VARIABLE, runs_folder
from icl_mlflow.tracking.store.failures import meaning, refusal
from icl_mlflow.tracking.store.last_contact import heard_from, last_heard
from icl_mlflow.tracking.store.mlflow_internals import database_engine
from icl_mlflow.tracking.store.quiet import said_by_user
from icl_mlflow.tracking.store.server import ask
from icl_mlflow.tracking.store.uri import (
    DATABASES,
    SERVERS,
    StoreError,
    artifact_folder,
    scheme_of,
    shown,
    sqlite_file,
    without_secrets,
)

#: Seconds that a store may say nothing, to anybody on this machine.
LIMIT = 4.5

#: Seconds that one which answers others may keep us waiting.
_PATIENCE = 120

#: Seconds between two requests.
_PAUSE = 0.5

_TIMEOUT, _RETRIES = "MLFLOW_HTTP_REQUEST_TIMEOUT", "MLFLOW_HTTP_REQUEST_MAX_RETRIES"

_EXPERIMENTS = "/api/2.0/mlflow/experiments/search?max_results=1"
_SQLITE_HEADER = b"SQLite format 3\x00"


def check_store(uri: str, *, to_write: bool = True) -> None:
    """Ask the store for a sign of life.

    Args:
        uri: of the store.
        to_write: whether its files have to be writable, or only to be read.

    Raises:
        StoreError: it does not answer, or not as a tracking store that lets us in, or
            its files cannot be written.
    """
    check_outside(uri, to_write=to_write)
    scheme = scheme_of(uri)
    # Connecting would create a file that is not there.
    is_new = scheme == "sqlite" and not sqlite_file(uri).exists()
    if scheme in DATABASES and not is_new:
        _ask_database(uri)


def check_outside(uri: str, *, to_write: bool = True) -> None:
    """The part of `check_store` that needs no MLflow: all but the inside of databases.

    Raises:
        StoreError: it does not answer, or its files cannot be read or written.
    """
    scheme = scheme_of(uri)
    if scheme in SERVERS:
        _ask(lambda: _check_server(uri), uri)
    elif scheme == "sqlite":
        _check_sqlite(sqlite_file(uri), to_write=to_write)
        folder = artifact_folder(uri)
        assert folder is not None
        if to_write:
            check_writable(folder)


def check_exists(uri: str) -> None:
    """Check that there is a store to read from; a server may be one.

    Raises:
        StoreError: nothing has been written to this database file yet.
    """
    if scheme_of(uri) == "sqlite" and not sqlite_file(uri).exists():
        raise StoreError(
            f"there are no runs yet: {sqlite_file(uri)} does not exist; go to the "
            "folder of your runs, or set MLFLOW_TRACKING_URI"
        )


def check_writable(folder: Path) -> None:
    """Check that files can be made in ``folder``, which need not exist yet.

    Raises:
        StoreError: names the folder that cannot be written.
    """
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if not nearest.is_dir():
        raise StoreError(f"{nearest} is not a folder, so no files can be kept in it")
    try:
        # The attempt, not the permission bits: file systems may be read-only or full.
        with tempfile.TemporaryFile(dir=nearest) as file:
            file.write(b"-")
            file.flush()
    except OSError as error:
        raise StoreError(f"cannot write in {nearest}: {_reason(error)}") from error


def check_state() -> None:
    """Check that this machine can keep what a run needs until it is over.

    Raises:
        StoreError: names the folder, and the variable that moves it.
    """
    folder = runs_folder()
    try:
        check_writable(folder)
    except (StoreError, OSError) as error:
        raise StoreError(
            f"{error}; set {STATE_VARIABLE} to a folder for what the next start needs"
        ) from error


def _check_sqlite(database: Path, *, to_write: bool) -> None:
    if not database.parent.is_dir():
        raise StoreError(
            f"there is no folder {database.parent} to keep {database.name}"
        )
    if to_write:
        check_writable(database.parent)
    if not database.exists():
        return
    if to_write and not os.access(database, os.W_OK):
        raise StoreError(f"cannot write to the database {database}: permission denied")
    if not database.is_file():  # a pipe would be waited for
        raise StoreError(f"{database} is not a sqlite database")
    try:
        with database.open("rb") as file:
            header = file.read(len(_SQLITE_HEADER))
    except OSError as error:
        raise StoreError(f"cannot read {database}: {_reason(error)}") from error
    if header and header != _SQLITE_HEADER:
        raise StoreError(f"{database} is not a sqlite database")


def _ask(question: Callable[[], None], uri: str) -> None:
    within_limit(question, uri, _limit(), patience=_PATIENCE)
    heard_from(uri)


def _limit() -> float:
    """Seconds that a store may say nothing; more if the user grants a request more."""
    return max(LIMIT, _number(_TIMEOUT) * (1 + _number(_RETRIES)))


def _number(variable: str) -> int:
    """What the user has set a variable to; 0 if nothing, or no number."""
    text = said_by_user(variable) or ""
    return int(text) if text.isdecimal() else 0


def _ask_database(uri: str) -> None:

    # Outside of the limit: the driver is imported here, which is no fault of the store.
    with _named_failures(uri):
        engine = database_engine(uri)

    def look() -> None:
        try:
            with engine.connect() as connection:
                heard_from(uri)  # it has let us in
                # Fails where the file is damaged.
                engine.dialect.get_table_names(connection)
        finally:
            engine.dispose()

    _ask(look, uri)


def _check_server(uri: str) -> None:
    try:
        answer = _answer(uri)
    except Exception as error:
        reason = meaning(error) or "is not reachable: the connection broke off"
        raise StoreError(f"{shown(uri)} {reason}") from error
    if answer.status_code == HTTPStatus.OK and _lists_experiments(answer):
        return
    raise StoreError(f"{shown(uri)} {refusal(uri, answer)}")


def _answer(uri: str) -> requests.Response:
    """The answer to a listing, asked for again as often as the user grants requests."""
    left = _number(_RETRIES)
    while True:
        try:
            # Whoever waits for this knows when to give up.
            wait = _number(_TIMEOUT) or _PATIENCE
            answer = ask(uri, _EXPERIMENTS, timeout=wait)
        except requests.ConnectionError:
            if not left:
                raise
        else:
            if not left or answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
                return answer
        left -= 1
        time.sleep(_PAUSE)


def _lists_experiments(answer: requests.Response) -> bool:
    try:
        content = answer.json()
    except ValueError:
        return False
    return isinstance(content, dict) and content.keys() <= {
        "experiments",
        "next_page_token",
    }


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def within_limit(
    call: Callable[[], None], uri: str, limit: float = LIMIT, *, patience: float = 0
) -> None:
    """Call a store, and wait at most ``limit`` seconds, whatever it hangs on.

    Args:
        call: what may take long.
        uri: of the store.
        limit: seconds that it may take.
        patience: seconds that it may take while the store answers somebody else on this
            machine at least once in ``limit`` seconds.

    Raises:
        StoreError: it takes longer, or fails.
    """
    failures: list[Exception] = []

    def attempt() -> None:
        try:
            call()
        except Exception as error:  # noqa: BLE001 - raised again by the waiting thread
            failures.append(error)

    # A daemon: one that hangs for ever must not keep the program from ending.
    thread = threading.Thread(target=attempt, daemon=True)
    began, heard = time.monotonic(), last_heard(uri)
    thread.start()
    thread.join(limit)
    while thread.is_alive():
        before, heard = heard, last_heard(uri)
        waited = time.monotonic() - began
        if heard == before or waited >= patience:
            seconds = math.ceil(waited)
            raise StoreError(f"{shown(uri)} does not answer within {seconds} seconds")
        thread.join(limit)
    with _named_failures(uri):
        for error in failures:
            raise error


@contextmanager
def _named_failures(uri: str) -> Iterator[None]:
    """One line of whatever a driver or the network raises."""
    try:
        yield
    except StoreError:
        raise
    except Exception as error:
        reason = without_secrets(str(error), uri)
        raise StoreError(f"{shown(uri)} cannot be used: {reason}") from error
