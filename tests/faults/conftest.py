"""A workplace for trainings that are killed, and what one leaves that is not."""

import shutil
from pathlib import Path

import pytest

from icl_mlflow.tracking.store import connect
from tests.faults.trainings import SMALL, Outcome, Workplace, outcome


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
