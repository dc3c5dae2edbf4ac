"""Environments that `mlflow run` makes itself: with uv, and with pyenv and pip."""

import shutil

import pytest

from icl_mlflow.tracking.store.connection import Store
from tests.entrypoints.launcher import mlflow_run, runs
from tests.tiny import PARAMETERS

pytestmark = pytest.mark.slow

#: Manager to the program that it needs.
MANAGERS = {"uv": "uv", "virtualenv": "pyenv"}


@pytest.mark.parametrize("manager", MANAGERS)
def test_an_environment_is_made_and_trains(
    store: Store, manager: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    if shutil.which(MANAGERS[manager]) is None:
        pytest.skip(f"{MANAGERS[manager]} is not on this machine")
    place = tmp_path_factory.mktemp("environments")
    done = mlflow_run(
        "train",
        *PARAMETERS,
        manager=manager,
        environment={"MLFLOW_ENV_ROOT": str(place)},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (run,) = runs(store)
    assert run.info.status == "FINISHED"
    assert run.data.tags["mlflow.project.env"] == manager
    assert any(place.iterdir()), "it was made elsewhere"
