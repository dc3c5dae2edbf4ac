"""A training that has finished is read back as it was, or is done again."""

import logging
import sqlite3
from contextlib import closing
from dataclasses import replace

import pandas as pd
import pytest
from mlflow.entities import Run

from icl_mlflow.suite.finished import finished_before
from icl_mlflow.tracking.local.liveness import heartbeat
from icl_mlflow.tracking.models.lookup import load_model
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.workflows.export import pull_tables
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


def test_a_run_of_an_earlier_version_is_read_as_one_of_today(
    trained_store: Store, trained_runs: TrainedRuns
) -> None:
    today = finished_before(trained_store, SETTINGS)
    exported = pull_tables([trained_runs.baseline])
    _as_before(trained_store, trained_runs.baseline)
    found = finished_before(trained_store, SETTINGS)
    assert found is not None
    assert today is not None
    assert (found.run_id, found.model_uri) == (today.run_id, today.model_uri)
    assert (found.test, found.epochs) == (today.test, today.epochs)
    again = pull_tables([trained_runs.baseline])
    for name, table in exported.tables.items():
        pd.testing.assert_frame_equal(table, again.tables[name])
    for reference in (found.run_id, f"runs:/{found.run_id}/model", found.model_uri):
        loaded = load_model(reference, trained_store.client)
        assert loaded.settings.seed == SETTINGS.seed


def _as_before(store: Store, parent: str) -> None:
    """Make a parent, and all below it, what the first version has left."""
    run_ids = [run.info.run_id for run in _children(store, parent)]
    with closing(sqlite3.connect("mlflow.db")) as database, database:
        database.execute("UPDATE logged_models SET name = 'model'")
        database.execute(
            "UPDATE logged_model_metrics SET dataset_name = NULL, dataset_digest = NULL"
        )
        database.execute("DELETE FROM inputs WHERE source_type = 'DATASET'")
    for run_id in (parent, *run_ids):
        store.client.set_tag(run_id, "heartbeat", heartbeat().text)
        for name in ("val/loss/low", "accuracy/low/baseline"):
            store.client.log_metric(parent, name, 0.5)


def _children(store: Store, parent: str) -> list[Run]:
    query = f"tags.`mlflow.parentRunId` = '{parent}'"
    return list(store.client.search_runs([store.experiment_id], query))


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
