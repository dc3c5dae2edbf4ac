"""Finished trainings are found by their identity, however many others there are."""

from typing import Any

import pytest

from icl_mlflow.tracking.runs.results import finished_runs
from icl_mlflow.tracking.store.connection import Store


def _run(store: Store, identity: str, status: str = "FINISHED") -> str:
    run = store.client.create_run(
        store.experiment_id, tags={"kind": "train", "settings_hash": identity}
    )
    store.client.set_terminated(run.info.run_id, status)
    run_id: str = run.info.run_id
    return run_id


def test_the_newest_finished_run_of_each_identity_counts(store: Store) -> None:
    _run(store, "a")
    newest = _run(store, "a")
    _run(store, "b", status="FAILED")
    assert finished_runs(store, ["a", "b", "c"]) == {"a": newest}


def test_no_run_is_read_but_those_that_are_asked_for(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for identity in "abcdefgh":
        _run(store, identity)
    read: list[int] = []
    search = store.client.search_runs

    def counted(*arguments: Any, **named: Any) -> Any:
        found = search(*arguments, **named)
        read.append(len(found))
        return found

    monkeypatch.setattr(store.client, "search_runs", counted)
    assert finished_runs(store, ["c", "x", "c"]).keys() == {"c"}
    assert sum(read) == 1
