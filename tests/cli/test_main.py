"""The console script: its commands, and which failure ends with which exit code."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from mlflow.exceptions import MlflowException

from icl_mlflow.cli.main import COMMANDS, cli, run
from icl_mlflow.tracking.local.signals import ENDING
from icl_mlflow.tracking.store.uri import StoreError
from tests.cli.conftest import Ended

#: What MLflow's client says of its basic-auth's answer, and what we say of that.
DENIED = (
    "API request to endpoint /api/2.0/mlflow/runs/create failed with error code "
    "403 != 200. Response body: 'Permission denied'"
)
EXPLAINED = (
    "https://mlflow.example.org does not permit this to user 'bob'; ask the owner for "
    "the permission EDIT on the experiment (runs/create)"
)

Fails = Callable[[BaseException | None], Ended]


@pytest.fixture
def fails(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Fails]:
    """Calls a command that raises what it is told; how the script has ended."""
    handlers = {s: signal.getsignal(s) for s in (signal.SIGINT, *ENDING)}
    monkeypatch.setattr(sys, "argv", ["icl-mlflow"])

    def call(error: BaseException | None) -> Ended:
        @click.command()
        def command() -> None:
            if error is not None:
                raise error

        with pytest.raises(SystemExit) as ended:
            run(command)
        captured = capfd.readouterr()
        return Ended(ended.value.code, captured.out, captured.err)

    yield call
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (None, 0, ""),
        (click.UsageError("no such task"), 2, "Error: no such task\n"),
        (click.exceptions.Exit(3), 3, ""),
        (StoreError("no such store"), 4, "Error: storage: no such store\n"),
        (OSError(28, "No space left"), 4, "Error: storage: [Errno 28] No space left\n"),
        (MlflowException("no such key"), 4, "Error: storage: no such key\n"),
        (MlflowException(DENIED), 4, f"Error: storage: {EXPLAINED}\n"),
    ],
    ids=repr,
)
def test_each_kind_of_failure_has_its_line_and_exit_code(
    fails: Fails,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException | None,
    code: int,
    said: str,
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example.org")
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "bob")
    assert fails(error) == Ended(code, "", said)


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [("KeyboardInterrupt", 130, "Error: interrupted"), ("SystemExit(143)", 143, "")],
)
def test_a_signal_ends_the_process_with_its_number(
    raised: str, code: int, said: str
) -> None:
    program = f"""
import click
from icl_mlflow.cli.main import run

@click.command()
def command():
    raise {raised}

run(command)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.strip() == said  # below the ^C of the terminal


def test_a_fault_of_the_program_keeps_its_traceback(fails: Fails) -> None:
    with pytest.raises(ZeroDivisionError):
        fails(ZeroDivisionError("a fault"))


def test_every_command_is_listed_with_its_line() -> None:
    context = click.Context(cli)
    assert cli.list_commands(context) == list(COMMANDS)
    shown = cli.get_help(context)
    for name, (_, text) in COMMANDS.items():
        command = cli.get_command(context, name)
        assert command is not None
        assert f"  {name}" in shown
        assert text in shown
    assert cli.get_command(context, "fit") is None


@pytest.mark.skipif(sys.platform != "linux", reason="has no /dev/full")
def test_the_exit_code_is_right_where_the_line_finds_no_room() -> None:
    command = [sys.executable, "-m", "icl_mlflow.cli.main", "train", "--task", "Z"]
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(command, stderr=full, check=False)
    assert result.returncode == 2


def test_help_needs_neither_torch_nor_mlflow() -> None:
    code = (
        "import sys\n"
        "from icl_mlflow.cli.main import COMMANDS, cli\n"
        "for name in ['', *COMMANDS]:\n"
        "    cli.main([*name.split(), '--help'], standalone_mode=False)\n"
        "assert not {'torch', 'mlflow', 'pandas', 'scipy'} & set(sys.modules)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert "icl-mlflow train --task A --seeds 0,1,2" in result.stdout
