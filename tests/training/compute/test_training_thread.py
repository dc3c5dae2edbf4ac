"""Work in the training's thread returns, raises, and leaves the main thread to wait."""

import os
import signal
import threading
import time

import pytest

from icl_mlflow.training.compute.training_thread import TrainingThread


def test_it_returns_what_the_work_returns_and_raises_what_it_raises() -> None:
    with TrainingThread() as compute:
        assert compute(pow, 2, 10) == 1024
        assert compute(int, "ff", base=16) == 255
        with pytest.raises(ZeroDivisionError):
            compute(divmod, 1, 0)
        assert compute(abs, -1) == 1  # and goes on after an error


def test_all_work_is_done_by_one_thread_that_is_not_the_callers() -> None:
    """A second thread would be a second team of OpenMP threads."""
    with TrainingThread() as compute:
        found = {compute(threading.get_ident) for _ in range(5)}
    assert len(found) == 1
    assert threading.get_ident() not in found


def test_a_signal_is_heard_while_the_work_goes_on() -> None:
    """Nor is the work waited for when the block is left."""
    over = threading.Event()

    def work() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        over.wait(30)

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt), TrainingThread() as compute:
        compute(work)
    assert time.monotonic() - began < 5
    over.set()
