"""Heartbeats: which process has a run, and when it was last heard of.

A process is known by the machine's boot and its process namespace, its number and the
time it was started at, so that neither a number used again nor a container of the same
name passes for it.
"""

import datetime
import json
import os
import socket
from dataclasses import asdict, dataclass
from pathlib import Path

from icl_mlflow.tracking.local.safe_read import json_of

#: The tag that holds it.
HEARTBEAT = "heartbeat"

#: Seconds between signs of life.
BEAT = 30.0

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_NAMESPACE = Path("/proc/self/ns/pid")

#: Of /proc/PID/stat, after the name in parentheses: the state, and the start.
_STATE, _START = 0, 19
_GONE = {"Z", "X"}


@dataclass(frozen=True, kw_only=True)
class Heartbeat:
    """A sign of life that a process gives of itself in a tag of its run.

    Attributes:
        host: for people.
        machine: where ``pid`` means what it says: boot and process namespace.
        pid, started: the process, and when it was started in the machine's own words.
        time: when the sign was given, UTC, ISO 8601.
    """

    host: str
    machine: str
    pid: int
    started: str
    time: str

    @property
    def text(self) -> str:
        """The heartbeat as JSON, which the tag holds."""
        return json.dumps(asdict(self))

    @property
    def given(self) -> datetime.datetime:
        """The time when it was given, by the clock of its machine."""
        return datetime.datetime.fromisoformat(self.time)

    def age(self) -> datetime.timedelta:
        """The time since it was given."""
        return datetime.datetime.now(datetime.UTC) - self.given

    @property
    def process(self) -> tuple[str, str, int, str]:
        """Identifies the process: host, machine, number and start."""
        return self.host, self.machine, self.pid, self.started

    @property
    def is_here(self) -> bool:
        """Whether process numbers of its machine mean the same as here.

        A machine that was cloned while it ran differs by its name alone.
        """
        return (
            bool(self.machine)
            and self.machine == _machine()
            and self.host == socket.gethostname()
        )

    def is_dead(self, older_than: datetime.timedelta) -> bool:
        """Whether its process has ended: for certain on this machine, else by its age.

        Args:
            older_than: how long a process elsewhere may be silent.
        """
        if self.is_here:
            return _started(self.pid) != self.started
        return self.age() > older_than


def heartbeat() -> Heartbeat:
    """A heartbeat of this process, given now."""
    now = datetime.datetime.now(datetime.UTC)
    return Heartbeat(
        host=socket.gethostname(),
        machine=_machine(),
        pid=os.getpid(),
        started=_started(os.getpid()),
        time=now.isoformat(timespec="seconds"),
    )


def parse(text: str) -> Heartbeat | None:
    """Read a heartbeat from a tag; None for what this program has not written."""
    try:
        beat = Heartbeat(**json_of(text.encode()))
        beat.age()
    except (ValueError, TypeError, OverflowError):
        return None
    texts = (beat.host, beat.machine, beat.started, beat.time)
    is_ours = type(beat.pid) is int and all(isinstance(text, str) for text in texts)
    return beat if is_ours else None


def _machine() -> str:
    """Where process numbers mean the same as here; empty where the system won't say."""
    try:
        boot = _BOOT.read_text(encoding="ascii").strip()
        return f"{boot} {_NAMESPACE.readlink()}"
    except OSError:
        return ""


def _started(pid: int) -> str:
    """When a process was started; empty for none, and for one that has ended."""
    try:
        stat = Path("/proc", str(pid), "stat").read_text(encoding="utf-8")
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[_STATE] in _GONE else fields[_START]
