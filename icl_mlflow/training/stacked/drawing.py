"""Who draws the batches of a stack, and when? For a device, processes that run ahead.

A device takes a step faster than one core draws the episodes of many models, and
threads would wait for each other's turn in Python. What a step needs is a function of
its number, so that it does not matter who draws it, and when.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import islice
from typing import Self

import torch

from icl_mlflow.training.problem import problem, training_batches
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.training.stacked.joined import Chunk, JoinedBatches, joined

#: Steps drawn by one call of a process: sending costs by the call.
_CHUNK = 8
#: Chunks that each process has drawn or is told to draw.
_CHUNKS_EACH = 2
#: One process draws for about so many models as fast as a device trains them.
_MODELS_EACH = 4
_MOST_PROCESSES = 8


class BatchSource:
    """Where a stack on a device gets its batches.

    On the CPU, whose cores compute, each is drawn when it is taken. For another device
    they are drawn by processes, which start with the block and end with it; for CUDA
    they lie in memory from which it copies while the host goes on.

    Args:
        members: of the stack.
        device: where it trains.
    """

    def __init__(self, members: Sequence[TrainSettings], device: torch.device) -> None:
        self._members = tuple(members)
        self._is_pinned = device.type == "cuda"
        wanted = min(_MOST_PROCESSES, _cores(), -(-len(members) // _MODELS_EACH))
        self._n_processes = 0 if device.type == "cpu" else wanted
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        if self._n_processes:
            self._pool = ProcessPoolExecutor(
                self._n_processes,
                multiprocessing.get_context("spawn"),
                initializer=_begin,
                initargs=(self._members,),
            )
            for _ in range(self._n_processes):  # one starts for each call that waits
                self._pool.submit(_draw, range(0))
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            # Whoever ends the training does not wait for what is being drawn.
            self._pool.shutdown(wait=False, cancel_futures=True)

    def batches(self, steps: range) -> Iterator[JoinedBatches]:
        """Those of every step, in order."""
        if self._pool is None:
            yield from map(_Drawing(self._members), steps)
            return
        chunks = [steps[i : i + _CHUNK] for i in range(0, len(steps), _CHUNK)]
        for chunk in _in_order(self._pool, chunks, self._n_processes * _CHUNKS_EACH):
            yield from chunk.pinned() if self._is_pinned else chunk


def _in_order(
    pool: ProcessPoolExecutor, chunks: Iterable[range], most: int
) -> Iterator[Chunk]:
    left = iter(chunks)
    waiting: deque[Future[Chunk]] = deque(
        pool.submit(_draw, chunk) for chunk in islice(left, most)
    )
    while waiting:
        drawn = waiting.popleft().result()
        for chunk in islice(left, 1):
            waiting.append(pool.submit(_draw, chunk))
        yield drawn


class _Drawing:
    """Draws for these members; called with the number of a step."""

    def __init__(self, members: Sequence[TrainSettings]) -> None:
        self._members = members
        self._problems = [problem(settings) for settings in members]

    def __call__(self, step: int) -> JoinedBatches:
        return joined(training_batches(self._members, self._problems, step))


#: In a process that draws: for whom.
_ours: list[_Drawing] = []


def _begin(members: Sequence[TrainSettings]) -> None:
    """Become a process that draws: one core, and gone when the training is."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who trains decides what it means
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    _ours.append(_Drawing(members))


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)  # a process that was killed cannot have told us


def _draw(steps: range) -> Chunk:
    (draw,) = _ours
    return Chunk.of([draw(step) for step in steps])


def _cores() -> int:
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
