"""Checkpoints that are logged as models: none is lost, none comes twice.

Whatever kills the training, and whatever the tracking store does.
"""

import functools
import signal
from typing import Any

import pytest
from mlflow import MlflowClient

from icl_mlflow.tracking.runs.lifecycle import open_run
from icl_mlflow.tracking.store.connection import connect
from icl_mlflow.training.problem import initial_model
from icl_mlflow.training.settings import TrainSettings
from tests.faults.proxy import Proxy
from tests.faults.test_resume import die_in
from tests.faults.trainings import (
    EPOCHS,
    SMALL,
    Outcome,
    Workplace,
    missing_steps,
    outcome,
    repeated_steps,
)

LOGGED = [*SMALL, "--keep_checkpoints", "log"]
STORING = "icl_mlflow.tracking.models.checkpoints"

SETTINGS = TrainSettings(dim=3, n_context=4, d_model=8, n_heads=2)
OPENING: dict[str, Any] = {
    "name": "A-baseline-seed0",
    "kind": "train",
    "params": {},
    "tags": {"task": "A"},
    "description": "",
}


def checkpoints(client: MlflowClient, run_id: str) -> dict[int, dict[str, float]]:
    """The metrics of each checkpoint of a run by its step, each once."""
    found: dict[int, dict[str, float]] = {}
    for output in client.get_run(run_id).outputs.model_outputs:
        model = client.get_logged_model(output.model_id)
        if "checkpoint_epoch" in model.tags:
            assert model.status == "READY"
            assert output.step not in found, "stored twice"
            found[output.step] = {m.key: m.value for m in model.metrics}
            assert len(model.metrics) == len(found[output.step]), "measured twice"
    return found


@pytest.mark.parametrize(
    ("module", "name", "call"),
    [
        # Its metrics are written down, and the weights are not.
        ("icl_mlflow.suite.member", "MemberRun.report_weights", 3),
        (STORING, "store_model", 3),  # it is written down, and not delivered
        *(
            pytest.param(*moment, marks=pytest.mark.slow)
            for moment in (
                (STORING, "Metric", 30),  # the model is there, its metrics are not
                ("icl_mlflow.tracking.models.logged_models", "Model.load", 4),
                ("icl_mlflow.suite.member", "_finish", 1),
                ("icl_mlflow.tracking.models.registration", "_link", 1),
            )
        ),
    ],
)
def test_a_death_at_the_worst_moment_costs_no_checkpoint(
    *, work: Workplace, straight: Outcome, module: str, name: str, call: int
) -> None:
    process = work.start(
        "train", *LOGGED, before=functools.partial(die_in, module, name, call)
    )
    process.join(60)
    assert process.exitcode == -signal.SIGKILL, work.said()
    work.finish("train", *LOGGED)
    (finished,) = work.runs()
    found = checkpoints(work.store.client, finished.info.run_id)
    assert sorted(found) == list(range(EPOCHS))
    history = work.store.client.get_metric_history(finished.info.run_id, "val/loss")
    assert [found[p.step]["val/loss"] for p in history] == [p.value for p in history]
    assert repeated_steps(work, finished) == 0
    assert missing_steps(work, finished, EPOCHS) == 0
    assert outcome(work, finished) == straight, "logging them changes no number"


@pytest.mark.parametrize(("seed", "mode"), [(11, "away"), (12, "swallow")])
def test_a_server_that_comes_back_gets_every_checkpoint(
    before_server: Proxy, client: MlflowClient, seed: int, mode: str
) -> None:
    settings = TrainSettings(dim=3, n_context=4, d_model=8, n_heads=2, seed=seed)
    model = initial_model(settings)
    with open_run(connect("outages"), **OPENING) as log:
        for epoch in range(3):
            before_server.mode = mode if epoch == 1 else "well"
            log.metrics({"val/loss": 1 / (epoch + 1)}, step=epoch)
            log.checkpoint(model, settings, epoch)
    assert checkpoints(client, log.run_id) == {
        0: {"val/loss": 1.0},
        1: {"val/loss": 1 / 2},
        2: {"val/loss": 1 / 3},
    }
    points = client.get_metric_history(log.run_id, "val/loss")
    assert [point.step for point in points] == [0, 1, 2]
