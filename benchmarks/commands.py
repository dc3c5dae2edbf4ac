"""A command as a piece of work."""

import subprocess
from collections.abc import Sequence

from benchmarks.contest import Meter


def command(arguments: Sequence[str], meter: Meter) -> None:
    """A command runs in a process of its own, which is waited for."""

    def piece() -> None:
        subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL)

    meter.repeat(piece)
