"""Failures of a command: one line on stderr, and an exit code.

The tracking store is asked for a sign of life before anything slow is imported, so that
a wrong password is said within a second, where torch and MLflow take several.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import click

from icl_mlflow.cli.console import show_error
from icl_mlflow.tracking.store.uri import redacted

#: Characters of a message; of a longer one the middle is left out.
_LONGEST = 2_000


def say(message: str) -> None:
    """Print one ``Error:`` line without secrets, whatever the message looks like."""
    line = redacted(" ".join(message.split()))
    if len(line) > _LONGEST:
        line = f"{line[: _LONGEST // 2]} ... {line[-_LONGEST // 2 :]}"
    show_error(f"Error: {line}")


def check_dry_run(command: str) -> None:
    """Refuse to do nothing where ``mlflow run`` has opened a run for it already.

    Args:
        command: by its name.

    Raises:
        UsageError: names the command that creates no run.
    """
    if os.environ.get("MLFLOW_RUN_ID"):
        raise click.UsageError(
            "dry_run creates no run, but `mlflow run` has opened one before; "
            f"use `icl-mlflow {command} --dry_run`"
        )


@contextmanager
def usage_errors(*kinds: type[Exception]) -> Iterator[None]:
    """Turn errors of these kinds into bad input: one line, exit code 2."""
    try:
        yield
    except kinds as error:
        raise click.UsageError(str(error)) from error


@contextmanager
def exit_code(code: int, *kinds: type[Exception]) -> Iterator[None]:
    """Turn errors of these kinds into one line and this exit code."""
    try:
        yield
    except kinds as error:
        say(str(error))
        raise click.exceptions.Exit(code) from error


def ask_store(*, to_write: bool = True) -> None:
    """Refuse, as bad input, a store that runs could not be written to, or read from.

    A database that is there already is asked later: that takes MLflow.
    """
    from icl_mlflow.tracking.store.preflight import check_outside
    from icl_mlflow.tracking.store.uri import StoreError, tracking_uri

    with usage_errors(StoreError):
        check_outside(tracking_uri(), to_write=to_write)


def ask_store_with_runs(*, to_write: bool) -> None:
    """Refuse, as bad input, a store that there are no runs in yet."""
    from icl_mlflow.tracking.store.preflight import check_exists
    from icl_mlflow.tracking.store.uri import StoreError, tracking_uri

    with usage_errors(StoreError):
        check_exists(tracking_uri())
    ask_store(to_write=to_write)
