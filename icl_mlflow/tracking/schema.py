"""A database's tables: created exactly once, whoever else is starting at the time."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout
from mlflow import MlflowClient
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
_PATIENCE = 120


def client_with_schema(uri: str) -> MlflowClient:
    """A client of a database, which gets its tables if it has none.

    Two processes that migrate one database at the same time break it, so there is a
    lock: beside a sqlite file, else one for each user of this machine.

    Raises:
        StoreError: the tables cannot be set up.
    """
    with _lock(uri):
        if scheme_of(uri) == "sqlite" and not sqlite_file(uri).exists():
            _create_sqlite(uri)
        try:
            client = MlflowClient(tracking_uri=uri)
            # Runs and registered models are two stores; each sets itself up when used.
            client.search_experiments(max_results=1)
            client.search_registered_models(max_results=1)
        except Exception as error:
            # Migrations fail with whatever the database driver raises.
            reason = without_secrets(str(error), uri)
            raise StoreError(
                f"the tables of {shown(uri)} are not usable: {reason}"
            ) from error
        heard_from(uri)
    return client


def _create_sqlite(uri: str) -> None:
    """Make the database under another name, then move it into place.

    Migrations take seconds and cannot be repeated, so a file that an impatient Ctrl-C
    had left half made would be useless for ever.
    """
    database = sqlite_file(uri)
    draft = database.with_name(f"{database.name}.{os.getpid()}.draft")
    try:
        store = SqlAlchemyStore(sqlite_uri(draft), str(artifact_folder(uri)))
        store.engine.dispose()
        if not database.exists():
            draft.replace(database)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def _lock(uri: str) -> Iterator[None]:
    if scheme_of(uri) == "sqlite":
        database = sqlite_file(uri)
        path = database.with_name(f"{database.name}.lock")
    else:
        path = user_file(uri, "lock")
    lock = FileLock(path)
    _acquire(lock, uri)
    try:
        yield
    finally:
        lock.release()


def _acquire(lock: FileLock, uri: str) -> None:
    """Wait for one's turn, for as long as others have theirs."""
    while not lock.is_locked:
        before = last_heard(uri)
        try:
            lock.acquire(timeout=_PATIENCE)
        except Timeout:
            if last_heard(uri) == before:
                raise StoreError(
                    f"another process has held {lock.lock_file} for {_PATIENCE} s; "
                    "end it and try again"
                ) from None
