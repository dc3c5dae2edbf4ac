"""A database that was moved with its files is read there, and written to with care."""

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Param
from mlflow.utils.mlflow_tags import MLFLOW_PROJECT_ENTRY_POINT, MLFLOW_SOURCE_TYPE

from icl_mlflow.tracking.models.lookup import ModelError, load_model
from icl_mlflow.tracking.runs.projects import ENTRY_POINTS
from icl_mlflow.tracking.runs.query import child_runs
from icl_mlflow.tracking.runs.results import UnreadableMemberError, read_member
from icl_mlflow.tracking.store.connection import Store, StoreError, connect, open_client
from icl_mlflow.training.settings import TrainSettings
from tests.tiny import MODEL

Keep = Any  # the fixture in conftest.py


@pytest.fixture
def moved(
    store: Store, keep: Keep, new_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[str, Path]:
    """A run with a model, and the folder to which all has been moved."""
    run_id, _ = keep(store)
    members = [{"run_id": run_id, "reused": True}]  # as a suite lists them
    store.client.log_text(run_id, json.dumps(members), "members.json")
    there = new_folder / "there"
    there.mkdir()
    for name in ("mlflow.db", "mlruns"):
        shutil.move(new_folder / name, there)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{there}/mlflow.db")
    return run_id, there


def test_models_are_found_beside_the_database(moved: tuple[str, Path]) -> None:
    run_id, _ = moved
    assert load_model(run_id).settings == TrainSettings(**MODEL)
    assert load_model("models:/icl-A-baseline@best").settings.task == "A"


def test_members_of_a_suite_are_found_beside_the_database(
    moved: tuple[str, Path],
) -> None:
    run_id, _ = moved
    client = open_client()
    (member,) = child_runs(client, client.get_run(run_id))
    assert member.info.run_id == run_id


def test_files_that_are_nowhere_are_missed_by_name(moved: tuple[str, Path]) -> None:
    run_id, there = moved
    shutil.rmtree(there / "mlruns")
    with pytest.raises(ModelError, match=r"its files are not at .*; was the folder"):
        load_model(run_id)


@pytest.mark.parametrize("place", ["archive", "archive/mlruns"])
def test_files_are_found_where_the_user_says(
    moved: tuple[str, Path], monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    run_id, there = moved
    (there / "archive").mkdir()
    shutil.move(there / "mlruns", there / "archive")
    with pytest.raises(ModelError, match="Set ICL_MLFLOW_ARTIFACTS to"):
        load_model(run_id)
    monkeypatch.setenv("ICL_MLFLOW_ARTIFACTS", str(there / place))
    assert load_model(run_id).settings == TrainSettings(**MODEL)
    client = open_client()
    (member,) = child_runs(client, client.get_run(run_id))
    assert member.info.run_id == run_id


def test_files_of_a_server_are_found_beside_a_copy_of_its_database(
    moved: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id, there = moved
    shutil.move(there / "mlruns", there / "artifacts")
    with sqlite3.connect(there / "mlflow.db") as database:
        (old,) = database.execute("SELECT artifact_uri FROM runs").fetchone()
        end = "/".join(old.split("/")[-3:])
        new = f"mlflow-artifacts:/{end}"
        database.execute("UPDATE runs SET artifact_uri = ?", (new,))
    monkeypatch.setenv("ICL_MLFLOW_ARTIFACTS", str(there / "artifacts"))
    client = open_client()
    (member,) = child_runs(client, client.get_run(run_id))
    assert member.info.run_id == run_id


def test_results_that_are_nowhere_are_missed_by_name(
    moved: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id, there = moved
    shutil.rmtree(there / "mlruns")
    store = Store(f"sqlite:///{there}/mlflow.db", "1", open_client())
    with pytest.raises(UnreadableMemberError, match="Set ICL_MLFLOW_ARTIFACTS to"):
        read_member(store, run_id)
    monkeypatch.setenv("ICL_MLFLOW_ARTIFACTS", "nowhere")
    with pytest.raises(StoreError, match="'nowhere', which is not a folder"):
        load_model(run_id)


def test_a_new_run_does_not_make_the_old_place_again(
    moved: tuple[str, Path], new_folder: Path
) -> None:
    with pytest.raises(StoreError, match=r"belong in .*mlruns, which is not there"):
        connect("tests")
    assert not (new_folder / "mlruns").exists()
    assert connect("another").experiment_id
    (new_folder / "mlruns").mkdir()  # as the line says
    assert connect("tests").experiment_id
    assert moved


def test_a_folder_that_never_was_is_made(
    new_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`mlflow run` has made a database elsewhere, whose files belong here."""
    (new_folder / "elsewhere").mkdir()
    uri = f"sqlite:///{new_folder}/elsewhere/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    declared = dict.fromkeys(ENTRY_POINTS["train"], "")
    tags = {MLFLOW_SOURCE_TYPE: "PROJECT", MLFLOW_PROJECT_ENTRY_POINT: "train"}
    client = MlflowClient(uri)
    run_id = client.create_run("0", tags=tags).info.run_id
    client.log_batch(run_id, params=[Param(k, v) for k, v in declared.items()])
    location = client.get_experiment("0").artifact_location
    assert Path(location.removeprefix("file://")) == new_folder / "mlruns" / "0"
    assert connect("Default").experiment_id == "0"
    client.set_tag(run_id, "heartbeat", "it has begun")
    with pytest.raises(StoreError, match=r"belong in .*mlruns, which is not there"):
        connect("Default")
