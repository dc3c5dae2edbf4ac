"""A database has its tables exactly once, or says in one line why it has not."""

import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from filelock import FileLock

from icl_mlflow.tracking.store import schema
from icl_mlflow.tracking.store.connection import Store, StoreError, connect, open_client
from icl_mlflow.tracking.store.schema import client_with_schema


def test_a_first_start_that_is_killed_leaves_no_broken_database(
    new_folder: Path,
) -> None:
    program = (
        "from icl_mlflow.tracking.store.connection import connect; connect('together')"
    )
    child = subprocess.Popen([sys.executable, "-c", program])
    while not (drafts := list(new_folder.glob("*.draft"))):
        assert child.poll() is None, "it finished before it could be killed"
        time.sleep(0.001)
    assert drafts
    child.kill()
    child.wait()
    assert not (new_folder / "mlflow.db").exists()
    assert connect("together").client.search_experiments()


def test_a_database_of_an_older_mlflow_is_refused_with_the_remedy(
    new_folder: Path, empty_database: Path
) -> None:
    shutil.copy(empty_database, new_folder)
    with closing(sqlite3.connect(new_folder / "mlflow.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")
    with pytest.raises(StoreError, match="mlflow db upgrade"):
        open_client()


def test_who_finds_the_tables_needs_no_lock(store: Store, new_folder: Path) -> None:
    with FileLock(new_folder / "mlflow.db.lock"):
        client = client_with_schema(store.tracking_uri)
    found = client.get_experiment(store.experiment_id)
    assert found.name == "tests"


def test_who_makes_the_tables_is_waited_for(
    new_folder: Path, empty_database: Path
) -> None:
    """Another process of ours has the lock, and then puts the database there."""
    lock = FileLock(new_folder / "mlflow.db.lock", thread_local=False)
    lock.acquire()

    def finish() -> None:
        shutil.copy(empty_database, new_folder)
        lock.release()

    other = threading.Timer(0.3, finish)
    other.start()
    client = client_with_schema(f"sqlite:///{new_folder}/mlflow.db")
    other.join()
    assert [found.name for found in client.search_experiments()] == ["Default"]
    assert {f.name for f in new_folder.iterdir()} == {"mlflow.db"}


def test_a_lock_that_is_never_let_go_is_named(
    new_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "_PATIENCE", 0.2)
    held = new_folder / "mlflow.db.lock"
    with (
        FileLock(held),
        pytest.raises(StoreError, match=rf"has held {held} for 0 s; end it and"),
    ):
        client_with_schema(f"sqlite:///{new_folder}/mlflow.db")
    assert not (new_folder / "mlflow.db").exists()


def test_a_file_that_is_no_database_is_said_without_its_password(
    new_folder: Path,
) -> None:
    (new_folder / "mlflow.db").write_text("These are my notes. " * 100)
    said = rf"^the tables of sqlite:///{new_folder}/mlflow\.db are not usable: .*$"
    with pytest.raises(StoreError, match=said):
        client_with_schema(f"sqlite:///{new_folder}/mlflow.db")
