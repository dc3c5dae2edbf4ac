"""Which failures a command answers with one line, and with which exit code."""

from collections.abc import Iterator
from contextlib import contextmanager

import click


@contextmanager
def usage_errors(*kinds: type[Exception]) -> Iterator[None]:
    """Bad input: one line, exit code 2."""
    try:
        yield
    except kinds as error:
        raise click.UsageError(str(error)) from error


@contextmanager
def exit_code(code: int, *kinds: type[Exception]) -> Iterator[None]:
    """A failure that is understood: one line and ``code``."""
    try:
        yield
    except kinds as error:
        failure = click.ClickException(str(error))
        failure.exit_code = code
        raise failure from error
