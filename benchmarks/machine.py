"""On what and when was it measured? Nothing here names the host."""

import datetime
import os
import platform
import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from icl_mlflow.suite.engines.process_pool import usable_cores

_PACKAGES = ("torch", "numpy", "mlflow", "lightning", "icl-mlflow")
_CPUINFO = Path("/proc/cpuinfo")

#: Instructions for products, which decide the speed of fp32 and of bf16, as Linux
#: names them: of x86, and of Arm.
_PRODUCTS = ("fma", "avx2", "avx512f", "avx512_bf16", "amx_bf16", "sve", "bf16")


@dataclass(frozen=True)
class Machine:
    """Where a benchmark ran.

    Attributes:
        processor: its model.
        cores: that this process may use.
        instructions: for products; first what torch itself has chosen of them.
    """

    processor: str
    cores: int
    instructions: tuple[str, ...]

    @property
    def slug(self) -> str:
        """A short name for files: ``intel-xeon-processor-2-cores``."""
        words = re.sub(r"\((R|TM)\)|@.*|CPU", " ", self.processor)
        cores = f"{self.cores} core" + "s" * (self.cores != 1)
        return re.sub(r"[^a-z0-9]+", "-", f"{words} {cores}".lower()).strip("-")


def this_machine() -> Machine:
    """The machine that this process runs on."""
    told = _CPUINFO.read_text() if _CPUINFO.exists() else ""
    model = re.search(r"^model name\s*:\s*(.+)$", told, re.MULTILINE)
    flags = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", told, re.MULTILINE)
    known = set(flags[1].split()) if flags else set()
    return Machine(
        processor=model[1] if model else platform.processor() or platform.machine(),
        cores=usable_cores(),
        instructions=(
            torch.backends.cpu.get_cpu_capability(),
            *(name for name in _PRODUCTS if name in known),
        ),
    )


def versions() -> dict[str, str]:
    """Of Python and of the packages that are compared."""
    return {"python": platform.python_version()} | {
        name: _version(name) for name in _PACKAGES
    }


def load() -> str:
    """How busy the machine has been in the last 1, 5 and 15 minutes."""
    return ", ".join(f"{each:.2f}" for each in os.getloadavg())


def now() -> datetime.datetime:
    """The time, in UTC."""
    return datetime.datetime.now(tz=datetime.UTC)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
