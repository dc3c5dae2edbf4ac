"""Servers on this machine, for as long as they are measured."""

import contextlib
import http.server
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import requests

_PATIENCE = 60.0
_GRACE = 10.0


@contextlib.contextmanager
def mlflow_server(folder: Path) -> Iterator[str]:
    """Its URI; it keeps everything in ``folder`` and ends with all its processes.

    Raises:
        RuntimeError: it did not start; the message holds what it said.
    """
    uri = f"http://127.0.0.1:{_free_port()}"
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"]
    command += ["--port", uri.rpartition(":")[2], "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, start_new_session=True
        )
    try:
        _wait_until_healthy(uri, server, folder / "log")
        yield uri
    finally:
        _end_group(server)


@contextlib.contextmanager
def closed_server() -> Iterator[str]:
    """The URI of a server that lets nobody in, as with a wrong password."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Refusing) as service:
        thread = threading.Thread(target=service.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{service.server_port}"
        finally:
            service.shutdown()
            thread.join()


class _Refusing(http.server.BaseHTTPRequestHandler):
    """Answers every question with 401, and says nothing."""

    def do_GET(self) -> None:
        self.send_response(401)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _wait_until_healthy(uri: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if requests.get(f"{uri}/health", timeout=1).ok:
                return
        except requests.RequestException:
            time.sleep(0.1)
    raise RuntimeError(f"the MLflow server did not start:\n{log.read_text()}")


def _end_group(server: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):  # it may have ended already
        os.killpg(server.pid, signal.SIGTERM)
    try:
        server.wait(timeout=_GRACE)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
