"""The run that MLFLOW_RUN_ID names is taken, or refused in one line that says why."""

from dataclasses import replace
from threading import Timer

import pytest

from icl_mlflow.tracking.local.claims import claimed
from icl_mlflow.tracking.local.liveness import heartbeat
from icl_mlflow.tracking.runs import ownership
from icl_mlflow.tracking.runs.given_run import given_run, training_to_resume
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.tracking.store.uri import StoreError


@pytest.fixture
def name(store: Store, monkeypatch: pytest.MonkeyPatch) -> str:
    """A new run with a param, as ``mlflow run`` opens it, which the variable names."""
    run_id: str = store.client.create_run(store.experiment_id).info.run_id
    store.client.log_param(run_id, "lr", "3e-4")
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    return run_id


def refused(store: Store, *, may_resume: bool = False) -> str:
    """Why the run is not for this process, in one line that says what to do."""
    with pytest.raises(StoreError) as error:
        given_run(store.client, may_resume=may_resume)
    said = str(error.value)
    assert "\n" not in said
    return said


@pytest.mark.parametrize("given", [None, ""])
def test_without_the_variable_there_is_none(
    store: Store, monkeypatch: pytest.MonkeyPatch, given: str | None
) -> None:
    if given is not None:
        monkeypatch.setenv("MLFLOW_RUN_ID", given)
    assert given_run(store.client) is None


def test_a_run_that_nobody_has_had_is_taken(store: Store, name: str) -> None:
    run = given_run(store.client)
    assert run is not None
    assert (run.info.run_id, run.data.params) == (name, {"lr": "3e-4"})


def test_a_run_that_is_not_there_is_named_with_the_variable(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_RUN_ID", "0" * 32)
    said = f"{store.place} has no run '{'0' * 32}', which MLFLOW_RUN_ID names"
    assert refused(store) == said


def test_a_run_that_is_over_is_refused_with_the_remedy(store: Store, name: str) -> None:
    store.client.set_terminated(name)
    assert refused(store) == (
        f"run {name}, which MLFLOW_RUN_ID names, has finished; "
        "unset MLFLOW_RUN_ID for a new run"
    )
    store.client.delete_run(name)
    assert "is deleted; unset" in refused(store)


def test_a_run_that_a_process_has_is_refused(
    store: Store, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with claimed(name):
        assert "is being written by another process; unset" in refused(store)
    monkeypatch.setattr(ownership, "LISTENING", 20)
    monkeypatch.setattr(ownership, "_GLANCE", 0.05)
    beat = replace(heartbeat(), host="kermit", machine="elsewhere", pid=7)
    store.client.set_tag(name, "heartbeat", beat.text)
    later = replace(beat, time="2100-01-01T00:00:00+00:00").text
    speaks = Timer(0.2, store.client.set_tag, [name, "heartbeat", later])
    speaks.start()
    assert "is being written by process 7 on kermit; unset" in refused(store)
    speaks.join()


def test_a_training_that_was_cut_off_is_taken_by_who_may_go_on(
    store: Store, name: str
) -> None:
    store.client.set_tag(name, "kind", "train")
    store.client.set_terminated(name, "KILLED")
    assert "has been used before (its tag kind is 'train')" in refused(store)
    run = given_run(store.client, may_resume=True)
    assert run is not None
    assert training_to_resume(run.data.tags)


def test_a_suite_is_nothing_to_go_on_with(store: Store, name: str) -> None:
    store.client.set_tag(name, "kind", "suite")
    for may_resume in (False, True):
        said = refused(store, may_resume=may_resume)
        assert "has been used before (its tag kind is 'suite')" in said
