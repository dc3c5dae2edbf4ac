"""Replay recorded CUDA kernels: a step then costs the device's time, not Python's."""

from collections import deque
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

# Libraries choose kernels and allocate when first called, which no recording may hold.
_WARM_UP = 2

#: Steps that wait in the device's queue at most. Each holds the memory that its batches
#: are copied from; a few keep the device busy while Python does something else.
_QUEUED = 16


def captured(
    work: Callable[[], None], changed: Sequence[Tensor]
) -> Callable[[], object]:
    """Record ``work`` as a CUDA graph; calling the result does the same again.

    Args:
        work: reads and writes fixed tensors on the current CUDA device, and never waits
            for it.
        changed: every tensor that ``work`` changes and reads in its next call; put back
            after each call that warms up.
    """
    before = [tensor.detach().clone() for tensor in changed]
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(_WARM_UP):
            work()
            with torch.no_grad():
                for tensor, value in zip(changed, before, strict=True):
                    tensor.copy_(value)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    # What other threads ask of the device meanwhile, such as memory for the batches to
    # come, is no part of the recording and must not end it.
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        work()
    return graph.replay


class Queue:
    """The steps that the device has been given and has not finished."""

    def __init__(self) -> None:
        self._ends: deque[torch.cuda.Event] = deque()

    def given(self) -> None:
        """A step has been given; waits for an earlier one if too many are left."""
        end = torch.cuda.Event(blocking=True)
        end.record()
        self._ends.append(end)
        if len(self._ends) > _QUEUED:
            self._ends.popleft().synchronize()
