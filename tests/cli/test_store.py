"""A store that cannot be used is bad input, said before anything slow is imported."""

import socket
from pathlib import Path

import click
import pytest

from icl_mlflow.cli.store import ask_store, ask_store_with_runs
from icl_mlflow.tracking.store.connection import Store


def test_a_server_that_is_away_is_refused(
    new_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del new_folder
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but not listening
        uri = f"http://127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        for ask in (ask_store, lambda: ask_store_with_runs(to_write=False)):
            with pytest.raises(click.UsageError, match="connection refused"):
                ask()


def test_a_store_that_is_not_there_will_do_for_who_writes(new_folder: Path) -> None:
    ask_store()
    with pytest.raises(click.UsageError, match=r"no runs yet: .*mlflow\.db does not"):
        ask_store_with_runs(to_write=False)
    assert list(new_folder.iterdir()) == []


def test_a_store_with_runs_will_do(store: Store) -> None:
    del store
    ask_store()
    ask_store_with_runs(to_write=True)
