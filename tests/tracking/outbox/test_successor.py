"""A run that its store has lost gets a successor, which says whose place it takes."""

from dataclasses import replace

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from icl_mlflow.tracking.outbox.successor import is_gone, make_anew
from icl_mlflow.tracking.store.connection import Store
from tests.tracking.outbox.conftest import OpenRun


def test_a_deleted_run_is_not_gone(opened: OpenRun) -> None:
    assert not is_gone(opened.store, opened.run_id)
    opened.store.client.delete_run(opened.run_id)
    assert not is_gone(opened.store, opened.run_id)
    opened.lose_run()
    assert is_gone(opened.store, opened.run_id)


def test_a_server_says_that_a_run_is_gone(server_store: Store) -> None:
    assert is_gone(server_store, "0" * 32)


def test_a_server_that_is_away_says_nothing_of_a_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    uri = "http://127.0.0.1:9"
    away = Store(uri, "0", MlflowClient(uri))
    with pytest.raises(MlflowException):
        is_gone(away, "0" * 32)


def test_the_successor_is_what_the_run_was_when_it_was_opened(opened: OpenRun) -> None:
    opened.lose_run()
    client = opened.store.client
    made = client.get_run(make_anew(opened.store, opened.destination, opened.run_id))
    assert made.info.run_id != opened.run_id
    assert made.info.run_name == "A-baseline-seed0"
    assert made.data.params == {"lr": "3e-4"}
    assert made.data.tags["kind"] == "train"
    assert made.data.tags["previous_run_id"] == opened.run_id
    assert made.data.tags["heartbeat"]
    experiment = client.get_experiment(made.info.experiment_id)
    assert experiment.name == "tests"  # whatever its number is now


def test_one_that_an_earlier_attempt_has_opened_is_taken(opened: OpenRun) -> None:
    opened.lose_run()
    first = make_anew(opened.store, opened.destination, opened.run_id)
    again = make_anew(opened.store, opened.destination, opened.run_id)
    assert again == first


def test_a_suite_stays_together_whichever_of_it_comes_first(opened: OpenRun) -> None:
    opened.lose_run()
    store, destination = opened.store, opened.destination
    client, lost_parent = store.client, "0" * 32
    below = {**destination.tags, "mlflow.parentRunId": lost_parent}
    parent = replace(destination, run_id=lost_parent)
    first = replace(destination, run_id="1" * 32, tags=below)
    second = replace(destination, run_id="2" * 32, tags=below)
    made_first = make_anew(store, first, first.run_id)
    made_parent = make_anew(store, parent, lost_parent)
    made_second = make_anew(store, second, second.run_id)
    for child in (made_first, made_second):
        tags = client.get_run(child).data.tags
        assert tags["mlflow.parentRunId"] == made_parent
