"""A database's tables: created exactly once, whoever else is starting at the time."""

import contextlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from mlflow import MlflowClient
from mlflow.store.db.utils import _all_tables_exist, create_sqlalchemy_engine
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from icl_mlflow.tracking.location import (
    StoreError,
    artifact_folder,
    scheme_of,
    shown,
    sqlite_file,
    sqlite_uri,
    without_secrets,
)
from icl_mlflow.tracking.signs import heard_from, last_heard, user_file

#: Seconds to wait for another process that is creating the tables; again as long when
#: that one is done and a further one has got the lock first.
_PATIENCE, _PATIENCE_IN_ALL = 120, 600


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
        if scheme_of(uri) == "sqlite" and not sqlite_file(uri).exists():
            _create_sqlite(uri)
        client = _client(uri)
        # From now on nobody makes tables, so that who waits for the file is not misled.
        file.unlink(missing_ok=True)
    return client


def _has_tables(uri: str) -> bool:
    if scheme_of(uri) == "sqlite" and not sqlite_file(uri).exists():
        return False  # looking would create it
    with _one_line_failures(uri):
        engine = create_sqlalchemy_engine(uri)
        try:
            return bool(_all_tables_exist(engine))
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


def _create_sqlite(uri: str) -> None:
    """Make the database under another name, then move it into place.

    Migrations take seconds and cannot be repeated, so a file that an impatient Ctrl-C
    had left half made would be useless for ever.
    """
    database = sqlite_file(uri)
    # A name that nobody can have taken before: the folder may be everybody's.
    draft = database.with_name(f"{database.name}.{os.urandom(8).hex()}.draft")
    try:
        store = SqlAlchemyStore(sqlite_uri(draft), str(artifact_folder(uri)))
        store.engine.dispose()
        if not database.exists():
            draft.replace(database)
    finally:
        draft.unlink(missing_ok=True)


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
