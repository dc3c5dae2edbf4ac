"""The history of a training comes back from MLflow, epoch by epoch, as reported."""

import logging
from pathlib import Path

import pytest
from mlflow.entities import Metric

from icl_mlflow.tracking.local.safe_read import ModelError
from icl_mlflow.tracking.runs.history import (
    DIFFERENCE,
    HISTORY,
    NoHistoryError,
    epochs_of,
    experiment_records,
    training_records,
)
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.training.fit import Epoch

TAGS = {"kind": "train", "task": "A", "variant": "baseline", "seed": "3"}


def a_run(store: Store, status: str = "FINISHED", **tags: str) -> str:
    """A training run of two epochs, the first of which was logged twice; its id."""
    client = store.client
    run = client.create_run(store.experiment_id, tags={**TAGS, **tags})
    run_id: str = run.info.run_id
    for key, value, time, step in (
        ("val/loss", 0.4, 20, 1),
        ("val/loss", 0.5, 30, 0),  # once more, after the run went on
        ("val/loss", 0.9, 10, 0),
        ("lr", 0.1, 20, 1),
        ("test/loss", 0.45, 40, 0),
    ):
        client.log_batch(run_id, [Metric(key, value, time, step)])
    client.set_terminated(run_id, status)
    return run_id


def test_a_run_is_a_table_of_epochs_and_its_final_metrics(store: Store) -> None:
    run_id = a_run(store, best_epoch="1", settings_hash="abc")
    (record,) = training_records(store.client, run_id)
    assert (record.task, record.variant, record.seed) == ("A", "baseline", 3)
    assert (record.identity, record.best_epoch, record.source) == ("abc", 1, "")
    assert record.test == {"test/loss": 0.45}
    assert list(record.history["epoch"]) == [0, 1]
    assert list(record.history["val/loss"]) == [0.5, 0.4]
    assert record.history["lr"].isna().tolist() == [True, False]


def test_what_an_ablation_has_told_a_run_is_no_result_of_its_training(
    store: Store,
) -> None:
    run_id = a_run(store)
    store.client.log_metric(run_id, DIFFERENCE, 0.25, step=2)
    (record,) = training_records(store.client, run_id)
    assert record.test == {"test/loss": 0.45}


def test_what_is_too_much_for_metrics_comes_from_the_table(
    store: Store, tmp_path: Path
) -> None:
    run_id = a_run(store)
    table = tmp_path / HISTORY
    table.write_text("seed,epoch,lr,val/loss,a/loss\n3,0,,0.5,0.7\n3,1,0.1,0.4,0.6\n")
    store.client.log_artifact(run_id, str(table))
    (record,) = training_records(store.client, run_id)
    assert "a/loss" not in record.history  # one shift has room among the metrics
    store.client.log_param(run_id, "also_evaluate", "a+b")
    (record,) = training_records(store.client, run_id)
    assert list(record.history["a/loss"]) == [0.7, 0.6]
    assert list(record.history["val/loss"]) == [0.5, 0.4]
    (without,) = training_records(store.client, a_run(store))
    assert "a/loss" not in without.history


def test_epochs_are_as_training_reported_them(store: Store) -> None:
    (record,) = training_records(store.client, a_run(store))
    first, second = epochs_of(record)
    assert (first.epoch, first.metrics["val/loss"]) == (0, 0.5)
    assert second == Epoch(epoch=1, metrics={"lr": 0.1, "val/loss": 0.4})


def test_a_run_that_was_never_trained_has_no_epochs(store: Store) -> None:
    run_id = store.client.create_run(store.experiment_id, tags=TAGS).info.run_id
    store.client.set_terminated(run_id)
    (record,) = training_records(store.client, run_id)
    assert epochs_of(record) == ()
    assert list(record.history.columns) == ["epoch"]


def test_a_suite_has_the_records_of_its_finished_members_in_order(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    parent = store.client.create_run(
        store.experiment_id, tags={"kind": "suite"}
    ).info.run_id
    store.client.set_terminated(parent)
    below = {"mlflow.parentRunId": parent}
    last = a_run(store, variant="no_labels", seed="0", **below)
    second = a_run(store, seed="10", **below)
    first = a_run(store, seed="9", **below)
    a_run(store, status="FAILED", **below)
    a_run(store, kind="analysis", **below)
    strange = a_run(store, seed="three", **below)
    with caplog.at_level(logging.WARNING):
        found = training_records(store.client, parent)
    assert [record.run_id for record in found] == [first, second, last]
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith(f"run {strange} is not as `train` leaves one: ")
    assert line.endswith("; it is passed over")


def test_what_has_no_training_is_refused(store: Store) -> None:
    other = a_run(store, kind="analysis")
    said = "is not a training run and has none below it; give the id of one that"
    with pytest.raises(NoHistoryError, match=said):
        training_records(store.client, other)
    client = store.client
    client.delete_tag(other, "variant")
    client.set_tag(other, "kind", "train")
    with pytest.raises(NoHistoryError, match="leaves one: no tag 'variant'"):
        training_records(client, other)


def test_an_experiment_has_the_records_of_all_that_finished(store: Store) -> None:
    with pytest.raises(
        NoHistoryError, match="no training has finished in experiment 'tests'"
    ):
        experiment_records(store.client, "tests")
    run_id = a_run(store)
    a_run(store, status="KILLED")
    found = experiment_records(store.client, "tests")
    assert [record.run_id for record in found] == [run_id]
    said = "there is no experiment 'test'; there are: Default, tests"
    with pytest.raises(ModelError, match=said):
        experiment_records(store.client, "test")
