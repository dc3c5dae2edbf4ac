"""A published model is imported once, and gets its history whenever that is known."""

from typing import Any

import pytest

from icl_mlflow.tracking.runs.imported import add_history, imported_run, is_adopting
from icl_mlflow.tracking.store.connection import Store


def a_run(store: Store, status: str = "FINISHED", **tags: str) -> str:
    given: dict[str, Any] = {
        "imported_sha256": "aa",
        "published_experiment": "paper",
        **tags,
    }
    run_id: str = store.client.create_run(store.experiment_id, tags=given).info.run_id
    store.client.set_terminated(run_id, status)
    return run_id


def test_the_finished_run_of_file_and_experiment_is_found(store: Store) -> None:
    a_run(store, status="FAILED")
    a_run(store, imported_sha256="bb")
    a_run(store, published_experiment="another")
    assert imported_run(store, "aa", "paper") is None
    run_id = a_run(store)
    assert imported_run(store, "aa", "paper") == run_id


def test_the_epochs_that_are_missing_are_added_and_no_other(store: Store) -> None:
    run_id = a_run(store)
    store.client.log_metric(run_id, "val/loss", 0.9, step=0)
    epochs = {0: {"val/loss": 0.5, "lr": 0.1}, 1: {"val/loss": 0.4}}
    for _ in range(2):
        add_history(store, run_id, epochs)
    client = store.client
    loss = client.get_metric_history(run_id, "val/loss")
    assert [(m.step, m.value) for m in loss] == [(0, 0.9), (1, 0.4)]
    rate = client.get_metric_history(run_id, "lr")
    assert [(m.step, m.value) for m in rate] == [(0, 0.1)]
    assert client.get_run(run_id).info.status == "FINISHED"


def test_a_process_of_mlflow_run_has_a_run_to_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    assert not is_adopting()
    monkeypatch.setenv("MLFLOW_RUN_ID", "0a1b2c")
    assert is_adopting()
