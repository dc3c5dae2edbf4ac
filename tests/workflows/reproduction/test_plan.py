"""A plan says what is to be trained, and makes nothing."""

from pathlib import Path

from icl_mlflow.suite.execution import Execution
from icl_mlflow.suite.request import papers_trainings
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.workflows.reproduction.plan import plan_reproduction


def test_without_a_store_all_is_to_be_trained(new_folder: Path) -> None:
    settings = TrainSettings.preset("smoke")
    request = papers_trainings(settings, range(3), Execution())
    lines = plan_reproduction(request, None, page_only=True).splitlines()
    assert len(lines) == 15
    assert all(line.endswith("to train: seeds 0,1,2") for line in lines[:-1])
    assert "no run was created" in lines[-1]
    assert list(new_folder.iterdir()) == []


def test_an_experiment_that_is_not_there_is_not_made(store: Store) -> None:
    request = papers_trainings(TrainSettings.preset("smoke"), [0], Execution())
    plan = plan_reproduction(request, "nowhere", page_only=True)
    assert "reused" not in plan
    assert store.client.get_experiment_by_name("nowhere") is None
