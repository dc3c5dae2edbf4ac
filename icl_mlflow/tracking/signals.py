"""Signals end a run at a point where its status can still be written down."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

INTERRUPTED = 128 + signal.SIGINT
TERMINATED = 128 + signal.SIGTERM


@contextmanager
def sigterm_unwinds() -> Iterator[None]:
    """Let SIGTERM raise SystemExit(143) instead of ending the process on the spot.

    Only where nobody else handles it, and where Python allows it: in the main thread.
    """
    if not _in_main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return

    def unwind(_number: int, _frame: FrameType | None) -> NoReturn:
        raise SystemExit(TERMINATED)

    signal.signal(signal.SIGTERM, unwind)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextmanager
def signals_put_off() -> Iterator[None]:
    """Finish a write to the store before SIGINT or SIGTERM unwinds the stack.

    An exception in the middle of a transaction leaves the database locked, and then the
    run's status cannot be written either. Whoever sends a second signal means it: that
    one is acted on at once.
    """
    if not _in_main_thread():
        yield
        return
    before = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}
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
