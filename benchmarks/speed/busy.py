"""Neighbours: processes that keep a core busy for as long as they are wanted."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def neighbours(count: int) -> Iterator[None]:
    """So many processes compete with us for the cores."""
    processes = [
        subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"])
        for _ in range(count)
    ]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()
