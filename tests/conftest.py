"""A fresh tracking store for a test that asks for one, and a real server for all."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

# Before MLflow is imported: it would call home, and servers would start job workers.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"

from icl_mlflow.tracking.store import Store, connect

_FROM_OUTSIDE = (
    "MLFLOW_TRACKING_URI",
    "MLFLOW_EXPERIMENT_ID",
    "MLFLOW_EXPERIMENT_NAME",
    "MLFLOW_RUN_ID",
)


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with MLflow's tables: its migrations take seconds, a copy does not."""
    folder = tmp_path_factory.mktemp("empty-store")
    with pytest.MonkeyPatch.context() as patch:
        _forget_environment(patch)
        patch.chdir(folder)
        connect()
    return folder / "mlflow.db"


@pytest.fixture
def new_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, and no word about MLflow in the environment."""
    _forget_environment(monkeypatch)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def store(
    new_folder: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch
) -> Store:
    """An empty sqlite store in the working folder, known to child processes too."""
    shutil.copy(empty_database, new_folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{new_folder}/mlflow.db")
    return connect("tests")


@pytest.fixture(scope="session")
def server_uri(
    empty_database: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A real MLflow server on this machine, the same for all tests."""
    folder = tmp_path_factory.mktemp("server")
    shutil.copy(empty_database, folder)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    uri = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port)]
    command += ["--host", "127.0.0.1", "--workers", "1"]
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
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


@pytest.fixture
def server_store(
    server_uri: str, new_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Store:
    """A new experiment on the server."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server_uri)
    return connect(new_folder.name)


def _forget_environment(patch: pytest.MonkeyPatch) -> None:
    for name in _FROM_OUTSIDE:
        patch.delenv(name, raising=False)


def _wait_until_healthy(
    uri: str, server: subprocess.Popen[bytes], log: Path, limit: float = 60
) -> None:
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if requests.get(f"{uri}/health", timeout=1).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.1)
    pytest.fail(f"the server did not start:\n{log.read_text()}")
