"""Where to compute, and with how many threads."""

import contextlib
from collections.abc import Iterator

import torch

from icl_mlflow.training.allocator import keep_freed_memory
from icl_mlflow.training.openmp import considerate_threads


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
def compute_threads(wanted: int) -> Iterator[None]:
    """Compute with so many CPU threads, then give back what there was.

    Several of them heed what else the machine does: `icl_mlflow.training.openmp`.
    """
    keep_freed_memory()
    before = torch.get_num_threads()
    if wanted:
        torch.set_num_threads(wanted)
    try:
        with considerate_threads(torch.get_num_threads()):
            yield
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
