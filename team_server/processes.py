"""The processes of a team's server: started, killed, started again, and ended."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import requests

from team_server.postgresql import stop
from team_server.server import TeamServer

#: Seconds for the first start, which makes the tables, and for the end.
_START, _END = 180.0, 10.0


class Processes:
    """PostgreSQL and the tracking server, which has a process group of its own.

    Attributes:
        server: that runs.
    """

    def __init__(self, server: TeamServer) -> None:
        self.server = server
        self._database: subprocess.Popen[bytes] | None = None
        self._tracking: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start both where they are not running; wait until the server is well.

        Raises:
            RuntimeError: one of them did not start; names the log that says why.
        """
        self.start_database()
        with self._log.open("ab") as log:
            self._tracking = subprocess.Popen(
                self.server.command(),
                cwd=self.server.folder,
                env={**os.environ, **self.server.environment()},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._wait_until_healthy(self._tracking)

    def start_database(self) -> None:
        """Start PostgreSQL alone, where it is not running."""
        if self._database is None:
            self._database = self.server.cluster.start()

    @property
    def group(self) -> int:
        """The number of the tracking server's process group; 0 if there is none."""
        return self._tracking.pid if self._tracking is not None else 0

    def wait(self) -> None:
        """Wait until the tracking server ends by itself."""
        if self._tracking is not None:
            self._tracking.wait()

    def kill(self) -> None:
        """End the tracking server, with its workers, as a power cut would."""
        if self._tracking is not None:
            os.killpg(self._tracking.pid, signal.SIGKILL)
            self._tracking.wait()
            self._tracking = None

    def end(self) -> None:
        """End both, in whatever state they are."""
        self._end_tracking()
        if self._database is not None:
            stop(self._database)
            self._database = None

    def _end_tracking(self) -> None:
        """The tracking server, and whoever is left of its workers then."""
        if self._tracking is None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
                os.killpg(self._tracking.pid, number)
                self._tracking.wait(_END)
        self._tracking = None

    @property
    def _log(self) -> Path:
        return self.server.folder / "log"

    def _wait_until_healthy(self, process: "subprocess.Popen[bytes]") -> None:
        where = f"https://127.0.0.1:{self.server.port}/health"
        until = time.monotonic() + _START
        while process.poll() is None and time.monotonic() < until:
            try:
                if requests.get(where, timeout=2, verify=str(self.server.authority)).ok:
                    return
            except requests.RequestException:
                time.sleep(0.1)
        raise RuntimeError(f"the server did not start; see {self._log}")
