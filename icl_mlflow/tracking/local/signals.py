"""Signals end a run at a point where its status can still be written down."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

#: Signals that ask for the end of a process: by hand, of a terminal, of a machine.
ENDING = tuple(
    signal.Signals[name]
    for name in ("SIGTERM", "SIGHUP", "SIGQUIT")
    if name in signal.Signals.__members__  # Windows has the first alone
)


class EndedEarlyError(Exception):
    """A run is ended on purpose, by whoever watches it: nothing has failed."""


def ended_by(error: BaseException) -> signal.Signals | None:
    """The signal whose handler raised this, if one did."""
    if isinstance(error, KeyboardInterrupt):
        return signal.SIGINT
    if isinstance(error, SystemExit):
        for number in (signal.SIGINT, *ENDING):
            if error.code == 128 + number:
                return number
    return None


def unwind(number: int, _frame: FrameType | None) -> NoReturn:
    """A handler that unwinds the stack, so that every open run gets its status."""
    raise SystemExit(128 + number)


@contextmanager
def signals_unwind() -> Iterator[None]:
    """Let SIGTERM, SIGHUP and SIGQUIT raise SystemExit(128 + number).

    By default they end the process on the spot. Only where nobody else handles or
    ignores them, and where Python allows it: in the main thread.
    """
    ours = [
        number
        for number in ENDING
        if _in_main_thread() and signal.getsignal(number) == signal.SIG_DFL
    ]
    for number in ours:
        signal.signal(number, unwind)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def leaving_at_once() -> Iterator[None]:
    """Exit at once when a signal ends the program, without the interpreter's clean-up.

    That waits for threads which compute something that nobody wants any more, and looks
    through all that was ever imported: seconds on a busy machine.
    """
    try:
        yield
    except SystemExit as error:
        number = ended_by(error)
        if number is None:
            raise
        leave(128 + number)


def leave(code: int) -> NoReturn:
    """End the process now, with all that was written to its streams."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # full, closed, None
            stream.flush()
    os._exit(code)


@contextmanager
def signals_put_off() -> Iterator[None]:
    """Finish a write to the store before a signal unwinds the stack.

    An exception in the middle of a transaction leaves the database locked, and then the
    run's status cannot be written either. Whoever sends a second signal means it: that
    one is acted on at once.
    """
    if not _in_main_thread():
        yield
        return
    handlers = {s: signal.getsignal(s) for s in (signal.SIGINT, *ENDING)}
    # What is ignored, as SIGHUP below `nohup`, stays so; so does what is not Python's.
    before = {s: h for s, h in handlers.items() if h not in {signal.SIG_IGN, None}}
    arrived: list[int] = []

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, _frame: FrameType | None) -> None:
        if arrived:
            restore()
            signal.raise_signal(number)
        arrived.append(number)

    for number in before:
        signal.signal(number, note)
    try:
        yield
    finally:
        restore()
        if arrived:  # also after a write that failed: the signal was first
            signal.raise_signal(arrived[0])


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
