"""Replay recorded CUDA kernels: a step then costs the device's time, not Python's."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

# Libraries choose kernels and allocate when first called, which no recording may hold.
_WARM_UP = 2


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
    with torch.cuda.graph(graph):
        work()
    return graph.replay
