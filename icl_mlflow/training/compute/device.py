"""The device of a training, its number of threads, and its allocator."""

import contextlib
import ctypes
import functools
import logging
import sys
from collections.abc import Callable, Iterator

import torch

from icl_mlflow.training.compute.openmp import considerate_threads, suited_threads

_logger = logging.getLogger(__name__)

# From <malloc.h>; the threshold's largest allowed value is 32 MiB on 64 bits.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGEST_THRESHOLD = 32 << 20
_KEPT = 1 << 30


def pick_device(name: str) -> torch.device:
    """The device of a name; ``auto`` takes CUDA, then MPS, then the CPU.

    Raises:
        ValueError: a device that this machine does not have.
    """
    here = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    present = [kind for kind, is_here in here.items() if is_here]
    if name == "auto":
        return torch.device(present[0])
    if name not in present:
        known = ", ".join(["auto", *present])
        raise ValueError(f"no {name} device on this machine; choose one of: {known}")
    return torch.device(name)


@contextlib.contextmanager
def compute_threads(wanted: int) -> Iterator[Callable[[int], None]]:
    """Compute with so many CPU threads, then give back what there was.

    Several of them heed what else the machine does, see
    `icl_mlflow.training.compute.openmp`.

    Args:
        wanted: how many; 0 for what suits the machine now: one for every core that
            other programs leave free.

    Yields:
        What changes their number; a thread that has computed before must be told too,
        by `torch.set_num_threads`.
    """
    keep_freed_memory()
    before = torch.get_num_threads()
    with contextlib.ExitStack() as considerate:

        def take(count: int) -> None:
            considerate.close()
            torch.set_num_threads(count)
            considerate.enter_context(considerate_threads(count))

        suited = wanted or suited_threads(before)
        if suited < before and not wanted:
            _logger.warning(
                "other programs keep cores busy: this takes %s, not %d "
                "(threads=%d has one a core)",
                "one thread" if suited == 1 else f"{suited} threads",
                before,
                before,
            )
        take(suited)
        try:
            yield take
        finally:
            torch.set_num_threads(before)


@contextlib.contextmanager
def matrix_products(precision: str) -> Iterator[None]:
    """Let CUDA round the factors of float32 products to TF32, if that is asked for."""
    if precision != "tf32" or not torch.cuda.is_available():
        yield
        return
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@functools.cache
def keep_freed_memory() -> bool:
    """Ask glibc to reuse large buffers; True if it will, False anywhere else.

    A training step allocates and frees the same few megabyte-sized buffers. glibc gives
    each back to the system and gets it anew, and every first touch of a page is a
    fault: measured on a virtual machine, about a sixth of the step. Numbers are not
    affected.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # another C library, such as musl
        return False
    kept = mallopt(_M_MMAP_THRESHOLD, _LARGEST_THRESHOLD)
    return bool(kept and mallopt(_M_TRIM_THRESHOLD, _KEPT))
