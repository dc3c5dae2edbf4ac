"""A real MLflow server on this machine, which tests may kill, stop and start again."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import requests


class Server:
    """A server over a database, in a process group of its own.

    Attributes:
        uri: the same after every start.
    """

    def __init__(
        self,
        folder: Path,
        *,
        database: str = "",
        options: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        certificate: Path | None = None,
    ) -> None:
        """Nothing is started yet.

        Args:
            folder: for its files; holds an ``mlflow.db`` with its tables, unless there
                is another database.
            database: its URI.
            options: further ones of ``mlflow server``.
            environment: variables to set.
            certificate: of the server, if the options make it speak TLS.
        """
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        scheme = "https" if certificate else "http"
        self.uri = f"{scheme}://127.0.0.1:{self._port}"
        self._folder = folder
        self._database = database or f"sqlite:///{folder}/mlflow.db"
        self._options = options
        self._environment = {**os.environ, **(environment or {})}
        self._verify = str(certificate) if certificate else True
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [sys.executable, "-m", "mlflow", "server", "--workers", "1"]
        command += ["--host", "127.0.0.1", "--port", str(self._port)]
        command += ["--backend-store-uri", self._database]
        command += ["--artifacts-destination", str(self._folder / "artifacts")]
        command += self._options
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self._folder,
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._wait_until_healthy(self._process)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.send(signal.SIGKILL)
        self._wait()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to all its processes."""
        if self._process is not None:
            os.killpg(self._process.pid, number)

    def end(self) -> None:
        """End it for good, whatever state it is in."""
        if self._process is None:
            return
        self.send(signal.SIGCONT)
        self.send(signal.SIGTERM)
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.send(signal.SIGKILL)
        self._wait()

    def _says_that_it_is_well(self) -> bool:
        where = f"{self.uri}/health"
        return requests.get(where, timeout=1, verify=self._verify).ok

    def _wait(self) -> None:
        if self._process is not None:
            self._process.wait()
            self._process = None

    def _wait_until_healthy(
        self, process: subprocess.Popen[bytes], limit: float = 180
    ) -> None:
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if self._says_that_it_is_well():
                    return
            except requests.RequestException:
                time.sleep(0.1)
        log = (self._folder / "log").read_text()
        pytest.fail(f"the server did not start:\n{log}")
