"""What a training leaves beside its metrics can be read, and says the same."""

from io import StringIO
from pathlib import Path

import pandas as pd
import pytest
import safetensors.torch
import torch

from icl_mlflow.suite.member_artifacts import log_last_good
from icl_mlflow.tracking.runs.lifecycle import open_run
from icl_mlflow.tracking.runs.results import PREDICTIONS
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.training.fit import NonFiniteLossError
from tests.conftest import TrainedRuns


def content(store: Store, run_id: str, path: str) -> bytes:
    return Path(store.client.download_artifacts(run_id, path)).read_bytes()


def test_predictions_give_the_metrics_of_the_test(
    trained_store: Store, trained_runs: TrainedRuns
) -> None:
    run_id = trained_runs.task_b
    kept = content(trained_store, run_id, PREDICTIONS)
    found = safetensors.torch.load(kept)
    assert found.keys() == {"logit", "bayes", "oracle", "label"}
    assert {len(each) for each in found.values()} == {64}
    metrics = trained_store.client.get_run(run_id).data.metrics
    right = (found["logit"] > 0) == found["label"].bool()
    assert right.double().mean().item() == pytest.approx(metrics["test/accuracy"])
    loss = torch.nn.functional.binary_cross_entropy_with_logits(
        found["logit"].double(), found["label"].double()
    )
    assert loss.item() == pytest.approx(metrics["test/loss"], abs=1e-6)


def test_tables_are_those_of_the_figures(
    trained_store: Store, trained_runs: TrainedRuns
) -> None:
    run_id = trained_runs.task_b
    text = content(trained_store, run_id, "history.csv").decode()
    history = pd.read_csv(StringIO(text))
    curve = trained_store.client.get_metric_history(run_id, "val/loss")
    assert list(history["val/loss"]) == [point.value for point in curve]
    text = content(trained_store, run_id, "tables/reliability.csv").decode()
    assert set(pd.read_csv(StringIO(text))["model"]) == {"B-baseline-seed0"}


def test_the_weights_from_before_a_divergence_are_kept_bit_for_bit(
    store: Store,
) -> None:
    weights = {"head.weight": torch.tensor([[0.1, -2.0]]), "head.bias": torch.zeros(1)}
    error = NonFiniteLossError(epoch=3, step=70, last_good=weights, history=())
    with open_run(
        store, name="a", kind="train", params={}, tags={}, description=""
    ) as log:
        log_last_good(log, error)
    kept = content(store, log.run_id, "last_good.safetensors")
    found = safetensors.torch.load(kept)
    assert found.keys() == weights.keys()
    assert all(torch.equal(found[name], weights[name]) for name in weights)
    failure = store.client.get_run(log.run_id).data.tags["failure"]
    assert failure.startswith("the loss is not finite at epoch 3, step 70; try a lower")
