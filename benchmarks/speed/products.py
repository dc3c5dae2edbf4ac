"""The most floating-point operations a second that this machine gives: big products."""

import torch

from benchmarks.speed.timing import Meter

#: Rows and columns: enough to keep the processor busy, and small enough for its caches.
SIDE = 1024

#: Of one product.
FLOPS = 2 * SIDE**3


def square(dtype: torch.dtype, meter: Meter) -> None:
    """The product of two square matrices."""
    rng = torch.Generator().manual_seed(0)
    left, right = torch.randn((2, SIDE, SIDE), generator=rng).to(dtype)
    out = torch.empty_like(left)
    meter.repeat(lambda: torch.mm(left, right, out=out))
