"""Who listens to a training hears all of it; of several, means have their ends."""

import math

from icl_mlflow.suite.execution import Execution
from icl_mlflow.suite.request import one_model
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.training.fit import Epoch
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.workflows.train import Listener, train_one, with_intervals
from tests.tiny import MOMENT

SETTINGS = TrainSettings.preset("smoke", **MOMENT)


def test_a_mean_has_its_ends_where_there_are_several() -> None:
    assert with_intervals([{"loss": 0.5}]) == {"loss": 0.5}
    assert with_intervals([{"loss": 0.5}, {"loss": 0.25}]) == {
        "loss": 0.375,
        "loss/low": 0.25,
        "loss/high": 0.5,
    }
    found = with_intervals([{"loss": 0.5}, {"loss": math.nan}])
    assert math.isnan(found["loss"])
    assert "loss/low" not in found


def test_who_listens_hears_every_step_and_epoch(store: Store) -> None:
    heard: list[str] = []

    def epoch(name: str, epoch: Epoch) -> None:
        heard.append(f"{name} {epoch.epoch}")

    listener = Listener(
        resume=lambda run_id: heard.append(f"resumes {run_id}"),
        start=lambda: heard.append("start"),
        step=lambda: heard.append("step"),
        epoch=epoch,
    )
    trained = train_one(store, one_model(SETTINGS, Execution()), listener)
    per_epoch = ["step"] * (SETTINGS.total_steps // SETTINGS.epochs)
    name = trained.settings.run_name
    assert heard == [
        "start",
        *[*per_epoch, f"{name} 0"],
        *[*per_epoch, f"{name} 1"],
    ]
