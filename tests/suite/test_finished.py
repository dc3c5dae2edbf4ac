"""A training that has finished is read back as it was, or is done again."""

import logging
from dataclasses import replace

import pytest

from icl_mlflow.suite.finished import finished_before
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.training.settings import TrainSettings
from tests.conftest import TrainedRuns
from tests.tiny import MOMENT

SETTINGS = TrainSettings.preset("smoke", **MOMENT)


def test_it_is_read_back_as_it_was(
    trained_store: Store, trained_runs: TrainedRuns
) -> None:
    found = finished_before(trained_store, SETTINGS)
    assert found is not None
    assert found.reused
    assert found.run_id == trained_runs.baseline_seeds[0]
    assert found.model_uri == "models:/icl-A-baseline/1"
    run = trained_store.client.get_run(found.run_id)
    metrics = run.data.metrics
    assert found.test == {k: v for k, v in metrics.items() if k.startswith("test/")}
    curve = trained_store.client.get_metric_history(found.run_id, "val/loss")
    logged = [(point.step, point.value) for point in curve]
    assert [(e.epoch, e.metrics["val/loss"]) for e in found.epochs] == logged
    assert str(found.best_epoch) == run.data.tags["best_epoch"]
    assert 0.5 < found.bayes_accuracy < 1


def test_other_settings_were_not_trained(trained_store: Store) -> None:
    assert finished_before(trained_store, replace(SETTINGS, seed=7)) is None


def test_below_another_parent_it_does_not_count(
    trained_store: Store, trained_runs: TrainedRuns
) -> None:
    own, other = trained_runs.baseline, trained_runs.no_labels
    assert finished_before(trained_store, SETTINGS, own) is not None
    assert finished_before(trained_store, SETTINGS, other) is None


def test_without_its_model_it_is_trained_again(
    trained_store: Store, trained_runs: TrainedRuns
) -> None:
    client = trained_store.client
    client.delete_model_version("icl-A-baseline", "1")
    run = client.get_run(trained_runs.baseline_seeds[0])
    for output in run.outputs.model_outputs:
        client.delete_logged_model(output.model_id)
    assert finished_before(trained_store, SETTINGS) is None


def test_one_that_somebody_has_changed_is_named_and_trained_again(
    trained_store: Store, trained_runs: TrainedRuns, caplog: pytest.LogCaptureFixture
) -> None:
    run_id = trained_runs.baseline_seeds[0]
    trained_store.client.set_tag(run_id, "seed", "zero")
    with caplog.at_level(logging.WARNING):
        assert finished_before(trained_store, SETTINGS) is None
    assert f"run {run_id} is not as `train` leaves one" in caplog.text
    assert "it is trained again" in caplog.text
