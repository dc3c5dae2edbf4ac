"""Who listens to a training hears all of it; of several, means have their ends."""

import math

import pandas as pd

from icl_mlflow.analysis.report.answer import over_models
from icl_mlflow.suite.execution import Execution
from icl_mlflow.suite.request import one_model
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.training.fit import Epoch
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.workflows.train import Listener, means_table, train_one
from tests.tiny import MOMENT

SETTINGS = TrainSettings.preset("smoke", **MOMENT)


def test_means_stand_in_a_table_with_the_ends_of_their_intervals() -> None:
    steps = {
        0: over_models([{"loss": 0.5}, {"loss": 0.25}]),
        1: over_models([{"loss": 0.5}, {"loss": math.nan}]),
    }
    table = means_table(steps, over_models([{"test/loss": 0.5}]))
    first, second, test = table.to_dict("records")
    assert (first["metric"], first["epoch"], first["seeds"]) == ("loss", 0, 2)
    assert [first[end] for end in ("mean", "low", "high")] == [0.375, 0.25, 0.5]
    assert math.isnan(second["mean"])
    assert pd.isna(test["epoch"])  # it is of no epoch
    assert (test["mean"], math.isnan(test["low"])) == (0.5, True)


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
