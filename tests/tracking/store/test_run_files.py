"""Files of a run are read and written where they are, but for another server."""

import shutil
from pathlib import Path

import pytest
from mlflow.entities import Run

from icl_mlflow.tracking.models.download import FetchError, MissingFileError
from icl_mlflow.tracking.store.connection import Store, StoreError
from icl_mlflow.tracking.store.run_files import check_place, check_run, download


@pytest.fixture
def run(store: Store) -> Run:
    """A run with one file of 15 bytes."""
    made = store.client.create_run(store.experiment_id)
    store.client.log_text(made.info.run_id, "hello from here", "notes/a.txt")
    return made


def test_a_file_is_fetched_up_to_its_limit(
    store: Store, run: Run, tmp_path: Path
) -> None:
    (tmp_path / "to").mkdir()
    file = download(store.client, run, "notes/a.txt", str(tmp_path / "to"), 15)
    assert file.read_text() == "hello from here"
    with pytest.raises(FetchError, match="at most 14"):
        download(store.client, run, "notes/a.txt", str(tmp_path), 14)


def test_a_file_that_is_missing_is_named(
    store: Store, run: Run, tmp_path: Path
) -> None:
    with pytest.raises(MissingFileError, match="b\\.txt") as missing:
        download(store.client, run, "notes/b.txt", str(tmp_path), 100)
    assert "moved" not in str(missing.value)


def test_files_that_are_all_away_are_said_to_have_been_moved(
    store: Store, run: Run, tmp_path: Path
) -> None:
    shutil.rmtree("mlruns")
    said = rf"run {run.info.run_id} are not at .*moved\? Set ICL_MLFLOW_ARTIFACTS"
    with pytest.raises(MissingFileError, match=said):
        download(store.client, run, "notes/a.txt", str(tmp_path), 100)


def test_another_server_is_refused_without_its_password(store: Store) -> None:
    said = (
        "the files of run x are said to be on another server, "
        "https://thief.example.org/0, which gets no password: set MLFLOW_TRACKING_URI"
    )
    with pytest.raises(StoreError, match=said):
        check_place("https://a:b@thief.example.org/0", store.tracking_uri, "run x")
    check_place("s3://bucket/0", store.tracking_uri, "run x")


def test_a_run_with_files_at_another_server_is_refused_unread(
    store: Store, run: Run, tmp_path: Path
) -> None:
    check_run(store.client, run)
    there = store.client.create_experiment("there", "http://thief.example.org/files")
    made = store.client.create_run(there)
    with pytest.raises(StoreError, match=f"the files of run {made.info.run_id} are"):
        download(store.client, made, "a.txt", str(tmp_path), 100)
