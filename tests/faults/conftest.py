"""A workplace for trainings that are killed, what one leaves that is not, a server."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from icl_mlflow.tracking.store.connection import connect
from tests.faults.forked import end_all
from tests.faults.proxy import Proxy, proxy
from tests.faults.trainings import SMALL, Outcome, Workplace, outcome


@pytest.fixture(autouse=True)
def ended() -> Iterator[None]:
    """No test leaves a process behind, however it ends."""
    yield
    end_all()


@pytest.fixture
def work(
    new_folder: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch
) -> Workplace:
    shutil.copy(empty_database, new_folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{new_folder}/mlflow.db")
    monkeypatch.delenv("ICL_MLFLOW_STATE", raising=False)
    return Workplace(new_folder, connect())


@pytest.fixture(scope="session")
def straight(empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """What the small training leaves when nothing happens to it."""
    folder = tmp_path_factory.mktemp("straight")
    shutil.copy(empty_database, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        patch.chdir(folder)
        work = Workplace(folder, connect())
        work.finish("train", *SMALL)
        (run,) = work.runs()
        assert sorted(path.name for path in folder.glob(".icl_mlflow")) == []
        return outcome(work, run)


@pytest.fixture
def before_server(
    server_uri: str, monkeypatch: pytest.MonkeyPatch, new_folder: Path
) -> Iterator[Proxy]:
    """A proxy that is where runs go to; requests give up soon, so that tests do."""
    del new_folder  # in which the runs are
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with proxy(server_uri) as made:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", made.uri)
        yield made


@pytest.fixture
def client(server_uri: str) -> MlflowClient:
    """Asks the server itself."""
    return MlflowClient(tracking_uri=server_uri)
