"""Runs are found by id, by parent and by query, or missed in one line."""

import json
from dataclasses import dataclass

import pytest
from mlflow.exceptions import MlflowException

from icl_mlflow.tracking.local.safe_read import ModelError
from icl_mlflow.tracking.runs.query import (
    all_runs,
    child_runs,
    ended_run,
    one_line_errors,
    reference_of,
)
from icl_mlflow.tracking.store.connection import Store


def a_run(store: Store, **tags: str) -> str:
    run_id: str = store.client.create_run(store.experiment_id, tags=tags).info.run_id
    store.client.set_terminated(run_id)
    return run_id


def below(store: Store, parent: str) -> str:
    return a_run(store, **{"mlflow.parentRunId": parent})


@dataclass(frozen=True)
class Result:
    run_id: str


def test_a_result_stands_for_its_run_and_text_for_itself() -> None:
    assert reference_of(Result("0a1b2c")) == "0a1b2c"
    assert reference_of("models:/icl-A-baseline@best") == "models:/icl-A-baseline@best"
    with pytest.raises(TypeError, match=r"^give a result of train, .*, not a int$"):
        reference_of(7)  # type: ignore[arg-type]


def test_a_run_that_has_ended_is_given_however_it_ended(store: Store) -> None:
    run_id = a_run(store)
    assert ended_run(store.client, run_id).info.run_id == run_id
    store.client.set_terminated(run_id, "FAILED")
    assert ended_run(store.client, run_id).info.status == "FAILED"


def test_a_run_that_is_not_to_be_had_says_why(store: Store) -> None:
    client = store.client
    with pytest.raises(ModelError, match=r"^there is no run 'x'; give a run id, runs:"):
        ended_run(client, "x")
    open_run = client.create_run(store.experiment_id).info.run_id
    with pytest.raises(ModelError, match="is still running; wait until"):
        ended_run(client, open_run)
    client.delete_run(open_run)
    said = f"is deleted; restore it with `mlflow runs restore --run-id {open_run}`"
    with pytest.raises(ModelError, match=said):
        ended_run(client, open_run)


def test_children_are_those_below_and_those_that_a_suite_reused(store: Store) -> None:
    client = store.client
    earlier, deleted, parent = a_run(store), a_run(store), a_run(store)
    child = below(store, parent)
    below(store, earlier)
    client.delete_run(below(store, parent))
    client.delete_run(deleted)
    members = [
        {"run_id": earlier, "reused": True},
        {"run_id": deleted, "reused": True},
        {"run_id": child, "reused": False},
    ]
    found = child_runs(client, client.get_run(parent))
    assert [run.info.run_id for run in found] == [child]
    client.log_text(parent, json.dumps(members), "members.json")
    found = child_runs(client, client.get_run(parent))
    assert [run.info.run_id for run in found] == [earlier, child]


@pytest.mark.parametrize("content", ["[", "7", '[{"run_id": "x"}]'])
def test_a_list_of_members_that_is_damaged_is_named(store: Store, content: str) -> None:
    parent = a_run(store)
    store.client.log_text(parent, content, "members.json")
    said = rf"^members\.json of run {parent} is damaged: "
    with pytest.raises(ModelError, match=said):
        child_runs(store.client, store.client.get_run(parent))


def test_every_page_of_a_search_is_read(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = {a_run(store, kind="train") for _ in range(5)}
    a_run(store, kind="suite")
    search = store.client.search_runs
    monkeypatch.setattr(
        store.client,
        "search_runs",
        lambda *given, **named: search(*given, **named, max_results=2),
    )
    found = all_runs(store.client, store.experiment_id, "tags.kind = 'train'")
    assert len(found) == 5
    assert {run.info.run_id for run in found} == made


def test_what_mlflow_raises_is_one_line_without_secrets(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", "t0ps3cret")
    said = rf"^{store.place} cannot give the model: no \*\*\*$"
    with pytest.raises(ModelError, match=said), one_line_errors(store.client):
        raise MlflowException("no t0ps3cret\nsecond line")
