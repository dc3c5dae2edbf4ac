"""Keep several OpenMP threads from collapsing when other programs need the cores.

Threads of a team wait for each other hundreds of times a step. libgomp, torch's OpenMP
on Linux, lets them spin, which is fastest where every thread has a core. Where one of
them has lost its core to another program, the others burn theirs until it is back: a
step on two threads then takes ten times as long as on one. Asleep they take a little
longer on an idle machine, and about as long as one thread beside others.

So we watch how busy others keep our cores, and let the threads spin or sleep. libgomp
has no switch for it, but a rule: with more OpenMP threads in a process than cores it
does not spin. A spare team that does nothing makes them more, and its end makes them
fewer. How many threads compute what never changes meanwhile, and so no bit of any
result.

Where others keep cores busy even sleeping threads lose: each waits for its turn before
the others can go on. So a team that nobody has asked for has no more threads than there
are free cores when it begins.
"""

import contextlib
import math
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import torch

#: Seconds between two looks at the machine.
_PERIOD = 0.2

#: Cores' worth of work of others on those that our threads need: from here on they
#: sleep, and below the second they spin again.
_BUSY, _QUIET = 0.15, 0.05

_STAT = Path("/proc/stat")
_IDLE = slice(3, 5)  # idle, iowait
_FIELDS = slice(0, 8)  # user to steal; guests are part of user

#: Entries of a tensor that torch works on with several threads.
_PARALLEL = 1 << 17


def suited_threads(cores: int) -> int:
    """How many threads suit the machine: one for every core that others leave free.

    Asked of the time since this module was imported and of the last moment, so that
    neither what has passed nor a short burst decides.

    Args:
        cores: that the threads could have.
    """
    if cores == 1 or _AT_IMPORT is None:
        return cores
    before = Usage.until_now()
    time.sleep(_PERIOD)
    now = Usage.until_now()
    least = min(now.others_since(before), now.others_since(_AT_IMPORT))
    return max(1, math.floor(cores - least + 0.5))


def _can_look() -> bool:
    return sys.platform == "linux" and _STAT.exists()


@contextlib.contextmanager
def considerate_threads(count: int) -> Iterator[None]:
    """Compute with a team of so many threads that heeds the neighbours.

    Where that cannot be done (not on Linux, another OpenMP) nothing changes.
    """
    if count == 1 or not _can_look():
        yield
        return
    watch = _Watch(count)
    watch.start()
    try:
        yield
    finally:
        watch.stop()


class SpareTeam:
    """OpenMP threads that do nothing; while they exist, others do not spin."""

    def __init__(self) -> None:
        self._dismissed: threading.Event | None = None
        self._started: list[threading.Thread] = []

    def call(self) -> None:
        """Start the team, unless there is one."""
        if self._dismissed is None:
            self._dismissed = threading.Event()
            thread = threading.Thread(
                target=_stand_by,
                args=(self._dismissed,),
                name="icl-mlflow-spare-team",
                daemon=True,
            )
            self._started = [one for one in self._started if one.is_alive()]
            self._started.append(thread)
            thread.start()

    def dismiss(self) -> None:
        """End the team, soon."""
        if self._dismissed is not None:
            self._dismissed.set()
            self._dismissed = None

    def end(self) -> None:
        """End the team, and return when it has ended.

        A program that ends while one of its threads is still within torch is aborted.
        """
        self.dismiss()
        for thread in self._started:
            thread.join()


class _Watch(threading.Thread):
    """Looks at the machine from time to time."""

    def __init__(self, count: int) -> None:
        super().__init__(name="icl-mlflow-watch", daemon=True)
        self._stopped = threading.Event()
        self._spare = SpareTeam()
        # Cores that others may have without disturbing us.
        self._to_spare = max(0, len(os.sched_getaffinity(0)) - count)

    def run(self) -> None:
        """Watch until stopped; threads sleep at first, which never hurts."""
        self._spare.call()
        before = Usage.until_now()
        while not self._stopped.wait(_PERIOD):
            now = Usage.until_now()
            others = now.others_since(before) - self._to_spare
            before = now
            if others > _BUSY:
                self._spare.call()
            elif others < _QUIET:
                self._spare.dismiss()
        self._spare.end()

    def stop(self) -> None:
        """End the watch."""
        self._stopped.set()
        self.join()


class Usage:
    """How much our cores have worked, in all and for this process."""

    def __init__(self, *, clock: float, own: float, busy: float) -> None:
        self._clock, self._own, self._busy = clock, own, busy

    @classmethod
    def until_now(cls) -> "Usage":
        """The usage since some moment, the same for all calls in a process."""
        cores = {f"cpu{core}" for core in os.sched_getaffinity(0)}
        ticks = 0
        for line in _STAT.read_text(encoding="ascii").splitlines():
            name, *fields = line.split()
            if name in cores:
                spent = [int(field) for field in fields[_FIELDS]]
                ticks += sum(spent) - sum(spent[_IDLE])
        busy = ticks / os.sysconf("SC_CLK_TCK")
        return cls(clock=time.monotonic(), own=time.process_time(), busy=busy)

    def others_since(self, before: "Usage") -> float:
        """How many of the cores others have kept busy on average."""
        busy, own = self._busy - before._busy, self._own - before._own
        return (busy - own) / (self._clock - before._clock)


def _stand_by(dismissed: threading.Event) -> None:
    # Work for several threads: from now on this thread has a team.
    torch.ones(_PARALLEL).mul_(2)
    dismissed.wait()


_AT_IMPORT = Usage.until_now() if _can_look() else None
