"""The precision in which a machine trains fastest without losing quality.

That is bfloat16 where the hardware multiplies it, and float32 elsewhere: without
instructions for them, torch computes bfloat16 products ten to sixty times slower. The
hardware alone decides, so that a machine always answers alike, however busy it is;
clocks only tell by how much a choice made by hand is slower.
"""

import logging
import os
import platform
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from icl_mlflow.training.compute.device import pick_device

if TYPE_CHECKING:
    from icl_mlflow.training.settings import TrainSettings

#: Machines whose bfloat16 is not vouched for by oneDNN, which takes AVX-512 for enough.
_X86 = {"x86_64", "amd64"}

#: What oneDNN can be limited to that has AVX-512 but no products of bfloat16.
_LIMIT_VARIABLES = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
_LIMITS_WITHOUT_BF16 = {"AVX512_CORE", "AVX512_CORE_VNNI"}

#: Rows, inner dimension and columns of the products that are timed: those of an MLP at
#: the paper's size.
_TIMED_SHAPE = (1_024, 128, 512)
_TIMED_ROUNDS = 5

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class SuitedPrecision:
    """What ``precision=auto`` takes on a device.

    Attributes:
        name: ``fp32`` or ``bf16``.
        reason: in a few words, to be read after the name.
    """

    name: str
    reason: str


def suited_precision(device: str) -> SuitedPrecision:
    """What suits a device: ``bf16`` where its hardware multiplies it, or ``fp32``.

    Args:
        device: as in the settings, such as ``auto``.

    Raises:
        ValueError: a device that this machine does not have.
    """
    kind = pick_device(device).type
    if kind == "cpu":
        if has_bf16_products():
            return SuitedPrecision(
                name="bf16", reason="this processor multiplies bfloat16 in hardware"
            )
        return SuitedPrecision(
            name="fp32", reason="this processor has no instructions for bfloat16"
        )
    if kind == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return SuitedPrecision(
            name="bf16", reason="this GPU multiplies bfloat16 in hardware"
        )
    return SuitedPrecision(
        name="fp32", reason=f"bfloat16 is not known to be faster on this {kind} device"
    )


def precision_reason(settings: "TrainSettings") -> str:
    """Why the settings have their precision: by hand, or because it suits the device.

    >>> from icl_mlflow.training.settings import TrainSettings
    >>> precision_reason(TrainSettings(precision="tf32", device="cpu"))[:12]
    'as asked for'
    """
    suited = suited_precision(settings.device)
    if settings.precision == suited.name:
        return suited.reason
    return f"as asked for; auto would take {suited.name}, for {suited.reason}"


def has_bf16_products() -> bool:
    """Whether the processor has instructions for products of bfloat16.

    Asked of the hardware, in microseconds. oneDNN's word is not enough on x86: it takes
    AVX-512 for support, with which a product is five times slower than in float32.
    """
    if not torch.backends.mkldnn.is_available():
        return False
    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return False
    limits = {os.environ.get(name, "").upper() for name in _LIMIT_VARIABLES}
    if limits & _LIMITS_WITHOUT_BF16:
        return False
    if platform.machine().lower() not in _X86:
        return True
    # Private in name; there is no public way to ask before torch 2.13.
    return bool(
        torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    )


def bf16_slowdown() -> float:
    """How many times as long a product takes in bfloat16 as in float32 on one thread.

    The fastest of a few rounds, in processor time: what else the machine does hardly
    shows.
    """
    rows, inner, columns = _TIMED_SHAPE
    fastest = {}
    for dtype in (torch.float32, torch.bfloat16):
        left, right = torch.ones(rows, inner, dtype=dtype), torch.ones(inner, columns)
        right = right.to(dtype)
        fastest[dtype] = min(_seconds(left, right) for _ in range(_TIMED_ROUNDS))
    return fastest[torch.bfloat16] / fastest[torch.float32]


def warn_if_slow(settings: "TrainSettings") -> None:
    """One line for whoever asks by hand for what is slower than float32 here."""
    device = pick_device(settings.device)
    if settings.precision != "bf16" or device.type != "cpu" or has_bf16_products():
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        ratio = bf16_slowdown()
    finally:
        torch.set_num_threads(before)
    _logger.warning(
        "precision=bf16 is slow here: this processor has no instructions for bfloat16, "
        "and a product takes %.0f times as long as in fp32; take precision=auto",
        ratio,
    )


def _seconds(left: torch.Tensor, right: torch.Tensor) -> float:
    started = time.thread_time()
    left @ right
    return time.thread_time() - started
