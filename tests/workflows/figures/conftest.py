"""One ablation, for all tests of its figures."""

import shutil
from pathlib import Path

import pytest

import icl_mlflow
from icl_mlflow.tracking.store.connection import Store, connect
from tests.conftest import forget_environment
from tests.tiny import MOMENT


@pytest.fixture(scope="session")
def suite(
    empty_database: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """A database with an ablation, and the id of its parent run."""
    database = Path(shutil.copy(empty_database, tmp_path_factory.mktemp("suite")))
    with pytest.MonkeyPatch.context() as patch:
        forget_environment(patch)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{database}")
        ablation = icl_mlflow.ablate(
            variants=["noisy_labels_0.25"],
            seeds=[0, 1],
            preset="smoke",
            jobs=1,
            quiet=True,
            **MOMENT,
        )
    return database, ablation.run_id


@pytest.fixture
def suite_store(
    suite: tuple[Path, str], new_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Store:
    """A store of its own for a test, with the ablation in it."""
    shutil.copy(suite[0], new_folder)  # its files stay where they are
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{new_folder}/mlflow.db")
    return connect()
