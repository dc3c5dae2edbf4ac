"""Output of a command, on any console, and also when nobody reads it any more."""

import contextlib
import logging
import os
import re
import select
import sys
import textwrap
from typing import TextIO

import click

from icl_mlflow.escaping import for_terminal

#: Columns of a line for readers.
_WIDTH = 100

#: What a sentence can do without: its intervals, and what they rest on.
_ASIDE = re.compile(r" \([^()]*\)")


def prepare_streams() -> None:
    """Let every text be shown: what a console has no signs for, as an escape.

    Also what others log, in whatever characters, is no command to the terminal.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):  # None, or replaced by a notebook
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(_OneLine())


def show(*lines: str) -> None:
    """Print each of these as one line."""
    for line in lines:
        _write(line, sys.stdout)


def brief(label: str, text: str) -> str:
    """As much of a sentence as fits beside its label: first without its asides.

    >>> brief("calibration  ", "Yes: off by 0.0125 (95 %: 0.0103 to 0.0151).")
    'calibration  Yes: off by 0.0125 (95 %: 0.0103 to 0.0151).'
    """
    room = _WIDTH - len(label)
    if len(text) > room:
        text = textwrap.shorten(_ASIDE.sub("", text), room, placeholder=" ...")
    return f"{label}{text}"


def folded(label: str, text: str) -> list[str]:
    """All of a text beside its label, in as many lines as it takes."""
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=label,
        subsequent_indent=" " * len(label),
        break_long_words=False,
        break_on_hyphens=False,
    )


def show_error(line: str) -> None:
    """Print one line on stderr."""
    _write(line, sys.stderr)


def _write(line: str, stream: TextIO) -> None:
    try:
        click.echo(for_terminal(line), file=stream)
    except BrokenPipeError:
        # The reader has seen enough (`| head`): no reason to leave work undone.
        _silence(stream)


def has_reader(stream: TextIO) -> bool:
    """Whether somebody still reads what is written there, as far as can be told."""
    try:
        watch = select.poll()
        watch.register(stream.fileno(), 0)
        return not any(event & select.POLLERR for _, event in watch.poll(0))
    except (OSError, ValueError):  # no file of the system, or closed
        return True


def _silence(stream: TextIO) -> None:
    """Send what is still written, also at the end of the process, nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


class _OneLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return for_terminal(super().format(record))
