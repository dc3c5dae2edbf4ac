"""What the user has said to MLflow before a run of ours counts.

A run that is open is the parent; a name, a description and tags stay.
"""

import os
import shutil
from pathlib import Path

import mlflow
import pytest
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NOTE

from icl_mlflow.api import train
from icl_mlflow.tracking.runs.lifecycle import open_run
from icl_mlflow.tracking.runs.outer_run import outer_run, said_before
from icl_mlflow.tracking.store.connection import Store, connect
from icl_mlflow.training.settings import TrainSettings
from tests.faults.test_outages import OPENING
from tests.tiny import MOMENT

SETTINGS = TrainSettings.preset("smoke", **MOMENT)


@pytest.mark.parametrize("train_it", [False, True], ids=["a run", "a training"])
def test_a_run_that_the_user_has_open_becomes_the_parent(
    store: Store, *, train_it: bool
) -> None:
    mlflow.set_experiment("mine")
    try:
        with mlflow.start_run() as outer:
            if train_it:
                run_id = train(SETTINGS).run_id
            else:
                with open_run(connect(), **OPENING) as log:
                    run_id = log.run_id
    finally:
        mlflow.tracking.fluent._active_experiment_id = None
        os.environ.pop("MLFLOW_EXPERIMENT_ID", None)
    run = store.client.get_run(run_id)
    assert run.data.tags[MLFLOW_PARENT_RUN_ID] == outer.info.run_id
    assert run.info.experiment_id == outer.info.experiment_id


@pytest.mark.parametrize("said", [{}, {MLFLOW_RUN_NOTE: "my words", "mine": "yes"}])
@pytest.mark.parametrize("name", [None, "my name", "lr-sweep-3"])
def test_name_description_and_tags_that_were_given_before_stay(
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    said: dict[str, str],
    name: str | None,
) -> None:
    given = store.client.create_run(store.experiment_id, tags=said, run_name=name)
    monkeypatch.setenv("MLFLOW_RUN_ID", given.info.run_id)
    opening = {**OPENING, "description": "our words"}
    with open_run(connect(), **opening) as log:
        log.description("our last words")
    assert log.run_id == given.info.run_id
    run = store.client.get_run(log.run_id)
    assert run.info.run_name == (name or OPENING["name"])
    ours = said.get(MLFLOW_RUN_NOTE, "our last words")
    assert run.data.tags[MLFLOW_RUN_NOTE] == ours
    assert run.data.tags.get("mine") == said.get("mine")


def test_without_an_open_run_there_is_no_parent(store: Store) -> None:
    assert outer_run(store.client) is None


def test_a_run_that_is_open_in_another_store_is_no_parent(
    store: Store, empty_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(empty_database, "other.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///other.db")
    with mlflow.start_run():
        assert outer_run(store.client) is None


@pytest.mark.parametrize(
    ("name", "is_said"),
    [
        ("bold-crane-482", False),
        ("lr-sweep-3", True),
        ("bold-crane", True),
        ("", False),
    ],
)
def test_a_name_that_mlflow_has_drawn_is_nobodys(name: str, *, is_said: bool) -> None:
    assert said_before({"mlflow.runName": name}, "") == (
        {"mlflow.runName"} if is_said else set()
    )


def test_the_description_that_we_gave_before_is_not_the_users() -> None:
    tags = {MLFLOW_RUN_NOTE: "what is asked"}
    assert said_before(tags, "what is asked") == set()
    assert said_before(tags, "something else") == {MLFLOW_RUN_NOTE}
