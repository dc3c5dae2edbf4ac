"""A signal waits for a write to end, and a second one does not."""

import signal

import pytest

from icl_mlflow.tracking.local.signals import ENDING, signals_put_off, signals_unwind


def write_and_receive(
    raised: type[BaseException], signals: list[signal.Signals]
) -> list[str]:
    """What is written by a write during which these signals arrive."""
    written = []

    def write() -> None:
        with signals_unwind(), signals_put_off():
            written.append("the beginning")
            for number in signals:
                signal.raise_signal(number)
            written.append("the end")

    with pytest.raises(raised):
        write()
    return written


@pytest.mark.parametrize(
    ("number", "raised"),
    [(signal.SIGINT, KeyboardInterrupt), *((s, SystemExit) for s in ENDING)],
)
def test_a_signal_is_acted_on_after_the_write(
    number: signal.Signals, raised: type[BaseException]
) -> None:
    written = write_and_receive(raised, [number])
    assert written == ["the beginning", "the end"]


def test_a_second_signal_is_acted_on_at_once() -> None:
    written = write_and_receive(KeyboardInterrupt, [signal.SIGINT, signal.SIGINT])
    assert written == ["the beginning"]


def test_a_signal_during_a_write_that_fails_is_not_lost() -> None:
    def write() -> None:
        with signals_put_off():
            signal.raise_signal(signal.SIGINT)
            raise OSError("disk full")

    with pytest.raises(KeyboardInterrupt):
        write()


def test_what_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as `nohup` has it
    try:
        with signals_unwind(), signals_put_off():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_handlers_are_as_before() -> None:
    before = [signal.getsignal(s) for s in (signal.SIGINT, *ENDING)]
    with signals_put_off():
        pass
    assert [signal.getsignal(s) for s in (signal.SIGINT, *ENDING)] == before
