"""What fails is one line without secrets, and an exit code that says what it was."""

import socket
from pathlib import Path

import click
import pytest

from icl_mlflow.cli.errors import (
    ask_store,
    ask_store_with_runs,
    check_dry_run,
    exit_code,
    say,
    usage_errors,
)
from icl_mlflow.tracking.store.connection import Store


def test_a_message_is_one_line_without_secrets(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MY_TOKEN", "t0ps3cret")
    say("cannot fetch:\n\n   401 for t0ps3cret\x1b[2J")
    shown = capsys.readouterr()
    assert shown == ("", "Error: cannot fetch: 401 for ***\\x1b[2J\n")


def test_of_a_long_message_both_ends_are_left(
    capsys: pytest.CaptureFixture[str],
) -> None:
    say("begin " + "x" * 5_000 + " end")
    shown = capsys.readouterr().err
    assert shown.startswith("Error: begin xxx")
    assert " ... xxx" in shown
    assert shown.endswith("xxx end\n")
    assert len(shown) < 2_100


def test_bad_input_is_a_usage_error_and_nothing_else_is() -> None:
    with pytest.raises(click.UsageError, match="no such task"), usage_errors(KeyError):
        raise KeyError("no such task")
    with pytest.raises(ValueError, match="other"), usage_errors(KeyError):
        raise ValueError("other")


def test_a_failure_that_is_understood_has_a_line_and_a_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(click.exceptions.Exit) as ended, exit_code(3, ArithmeticError):
        raise ArithmeticError("the loss is not finite")
    assert ended.value.exit_code == 3
    assert capsys.readouterr().err == "Error: the loss is not finite\n"


def test_where_a_run_was_opened_nothing_cannot_be_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    check_dry_run("train")
    monkeypatch.setenv("MLFLOW_RUN_ID", "0a1b2c")
    with pytest.raises(click.UsageError, match="use `icl-mlflow train --dry_run`"):
        check_dry_run("train")


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
