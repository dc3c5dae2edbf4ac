"""Compute in a thread of its own, while the thread that asks only waits.

Python hears of a signal between two operations of the main thread, of which one can
take seconds, but at once while that thread waits. So that all of a training's parallel
work is done by one team of OpenMP threads, everything that takes long goes there: with
a second team libgomp, which counts more threads than there are cores, would stop
spinning at its barriers, and an idle machine would train a third slower.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, Self, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class TrainingThread:
    """A thread for what takes long; it is left to itself when the block is left."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "icl-mlflow-training")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # Whoever ends the training does not wait for the step under way.
        self._thread.shutdown(wait=False, cancel_futures=True)

    def __call__(
        self, work: Callable[P, R], /, *args: P.args, **keywords: P.kwargs
    ) -> R:
        """What the work returns or raises; KeyboardInterrupt is not waited for."""
        return self._thread.submit(work, *args, **keywords).result()
