"""Create the tables of a database exactly once, whoever else is starting then.

Our own processes take turns. Others, such as ``mlflow ui`` or ``mlflow run`` in the
same folder, know of no turns: a database that they have begun is theirs to finish, and
what fails while they do is tried again.
"""

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from mlflow import MlflowClient

from icl_mlflow.tracking.store.last_contact import heard_from, last_heard, user_file
from icl_mlflow.tracking.store.mlflow_internals import (
    database_engine,
    has_tables,
    make_tables,
    table_names,
)
from icl_mlflow.tracking.store.uri import (
    StoreError,
    artifact_folder,
    scheme_of,
    shown,
    sqlite_file,
    sqlite_uri,
    without_secrets,
)

#: Seconds to wait for another process that is creating the tables; again as long when
#: that one is done and a further one has got the lock first.
_PATIENCE, _PATIENCE_IN_ALL = 120, 600


#: Seconds for which tables that are not usable are looked at again, and between looks.
_LOOKING, _PAUSE = 60.0, 0.5

#: Seconds without a change after which nobody is thought to work on half a database.
_AT_REST = 5.0

#: What is said of tables that somebody else creates at the same time, in lower case.
_IN_THE_MAKING = (
    *("already exists", "is locked", "duplicate", "unique constraint", "no such table"),
    *("does not exist", "can't locate revision", "database schema has changed"),
)
_OLD_SCHEMA = "out-of-date database schema"


def client_with_schema(uri: str) -> MlflowClient:
    """A client of a database, which gets its tables if it has none.

    Two processes that migrate one database at the same time break it, so there is a
    lock while the tables are made: beside a sqlite file, else one for each user of this
    machine.

    Raises:
        StoreError: the tables cannot be set up.
    """
    # Whoever finds the tables needs no lock, which others might hold or have forbidden.
    with contextlib.suppress(StoreError):
        if _has_tables(uri):
            return _client(uri)
    with _lock(uri) as file:
        if scheme_of(uri) == "sqlite":
            if not sqlite_file(uri).exists():
                _create_sqlite(uri)
            _wait_for_creator(sqlite_file(uri))
        client = _looked_again(uri)
        # From now on nobody makes tables, so that who waits for the file is not misled.
        file.unlink(missing_ok=True)
    return client


def _looked_again(uri: str) -> MlflowClient:
    """A client of usable tables, which somebody else may be creating."""
    began = time.monotonic()
    while True:
        try:
            return _client(uri)
        except StoreError as error:
            said = str(error.__cause__).lower()
            waited = time.monotonic() - began
            is_old = _OLD_SCHEMA in said and waited < _AT_REST
            is_new = any(sign in said for sign in _IN_THE_MAKING) and waited < _LOOKING
            if not (is_old or is_new):
                raise
        time.sleep(_PAUSE)


def _has_tables(uri: str) -> bool:
    if scheme_of(uri) == "sqlite" and not sqlite_file(uri).exists():
        return False  # looking would create it
    with _one_line_failures(uri):
        engine = database_engine(uri)
        try:
            return has_tables(engine)
        finally:
            engine.dispose()


def _client(uri: str) -> MlflowClient:
    with _one_line_failures(uri):
        client = MlflowClient(tracking_uri=uri)
        # Runs and registered models are two stores; each sets itself up when used.
        client.search_experiments(max_results=1)
        client.search_registered_models(max_results=1)
    heard_from(uri)
    return client


@contextmanager
def _one_line_failures(uri: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        # Migrations fail with whatever the database driver raises.
        reason = without_secrets(str(error), uri)
        raise StoreError(
            f"the tables of {shown(uri)} are not usable: {reason}"
        ) from error


def _wait_for_creator(database: Path) -> None:
    """Let another program finish the tables that it has begun.

    Whoever creates them too at that moment breaks the database. One that nobody works
    on any more gets the missing tables from us.
    """
    seen, since = None, time.monotonic()
    while (now := _tables(database)) is not None:
        if now != seen:
            seen, since = now, time.monotonic()
        elif time.monotonic() - since >= _AT_REST:
            return
        time.sleep(_PAUSE / 5)


def _tables(database: Path) -> tuple[object, ...] | None:
    """A state of a database that lacks some tables; None if it has them all."""
    state = database.stat()
    try:
        with contextlib.closing(sqlite3.connect(database, timeout=1)) as connection:
            rows = connection.execute("SELECT name FROM sqlite_master").fetchall()
    except sqlite3.OperationalError:  # it is being written to
        return state.st_size, state.st_mtime_ns, time.monotonic()
    except sqlite3.DatabaseError:  # it is none, which others say better
        return None
    names = {name for (name,) in rows}
    if names.issuperset(table_names()):
        return None
    return state.st_size, state.st_mtime_ns, len(names)


def _create_sqlite(uri: str) -> None:
    """Make the database under another name, then move it into place.

    Migrations take seconds and cannot be repeated, so a file that an impatient Ctrl-C
    had left half made would be useless for ever.
    """
    database = sqlite_file(uri)
    # A name that nobody can have taken before: the folder may be everybody's.
    draft = database.with_name(f"{database.name}.{os.urandom(8).hex()}.draft")
    try:
        make_tables(sqlite_uri(draft), artifact_folder(uri))
        _put(draft, database)
    finally:
        draft.unlink(missing_ok=True)


def _put(draft: Path, database: Path) -> None:
    """Give a file its name, unless that has been taken."""
    try:
        os.link(draft, database)
    except FileExistsError:  # another program was faster
        return
    except OSError:  # a file system without links
        if not database.exists():
            draft.replace(database)


@contextmanager
def _lock(uri: str) -> Iterator[Path]:
    """Have the making of the tables for this process alone; yields the lock's file."""
    path: Path | None
    if scheme_of(uri) == "sqlite":
        database = sqlite_file(uri)
        path = database.with_name(f"{database.name}.lock")
    else:
        path = user_file(uri, "lock")
    if path is None:
        raise StoreError(
            f"there is no folder for a lock while {shown(uri)} gets its tables; set "
            "TMPDIR to one that is closed to others"
        )
    lock = FileLock(path)
    try:
        _acquire(lock, uri)
    except OSError as error:
        raise StoreError(f"cannot lock {path}: {error.strerror}") from error
    try:
        yield path
    finally:
        lock.release()


def _acquire(lock: FileLock, uri: str) -> None:
    """Wait for one's turn, for as long as others have theirs, within a limit."""
    began = time.monotonic()
    while not lock.is_locked:
        before = last_heard(uri)
        try:
            lock.acquire(timeout=_PATIENCE)
        except Timeout:
            waited = time.monotonic() - began
            if last_heard(uri) == before or waited > _PATIENCE_IN_ALL:
                raise StoreError(
                    f"another process has held {lock.lock_file} for {waited:.0f} s; "
                    "end it and try again"
                ) from None
