"""Each thing of MLflow that is not public still does what is made of it here."""

from pathlib import Path

import pytest
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.models.model import MLMODEL_FILE_NAME
from requests import HTTPError

from icl_mlflow.tracking.store import mlflow_internals as internals
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.tracking.store.uri import sqlite_uri


def test_the_file_of_a_model_has_mlflows_name() -> None:
    assert internals.MODEL_FILE == MLMODEL_FILE_NAME


def test_a_location_is_a_folder_or_none(tmp_path: Path) -> None:
    assert internals.local_folder(tmp_path.as_uri()) == tmp_path
    assert internals.local_folder(str(tmp_path)) == tmp_path
    assert internals.local_folder("s3://bucket/models") is None
    assert internals.local_folder("mlflow-artifacts:/1/models") is None


def test_files_are_listed_and_fetched(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "one.txt").write_text("1")
    files = internals.artifact_files((tmp_path / "there").as_uri(), "sqlite:///x.db")
    assert [(e.path, e.is_dir, e.file_size) for e in files.list_artifacts()] == [
        ("one.txt", False, 1)
    ]
    (tmp_path / "here").mkdir()
    fetched = files.download_artifacts("one.txt", str(tmp_path / "here"))
    assert Path(fetched).read_text() == "1"


def test_a_reference_is_an_id_or_a_name_with_a_version(store: Store) -> None:
    assert internals.model_id_of("models:/m-0123456789abcdef") == "m-0123456789abcdef"
    assert internals.model_id_of("models:/icl-A-baseline/3") is None
    with pytest.raises(MlflowException):
        internals.model_id_of("models:/")

    store.client.create_registered_model("icl-A-baseline")
    store.client.create_model_version("icl-A-baseline", "file:///nowhere")
    store.client.set_registered_model_alias("icl-A-baseline", "best", "1")
    for reference in ("models:/icl-A-baseline/1", "models:/icl-A-baseline@best"):
        found = internals.name_and_version(store.client, reference)
        assert found == ("icl-A-baseline", "1")


def test_a_server_is_asked_with_the_users_password(
    server_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ada")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "secret")
    answer = internals.request(server_uri, "/health", "GET", timeout=5, max_retries=0)
    assert answer.text == "OK"
    assert answer.request.headers["Authorization"].startswith("Basic ")
    internals.raise_for_status(answer)

    path = "/api/2.0/mlflow/runs/get?run_id=none"
    missing = internals.request(server_uri, path, "GET", timeout=5, max_retries=0)
    with pytest.raises(HTTPError, match="none"):
        internals.raise_for_status(missing)


def test_a_batch_is_checked_as_mlflow_would() -> None:
    metric, param = Metric("loss", 0.5, 0, 1), Param("lr", "0.1")
    metrics, params, tags = internals.checked_batch(
        [metric], [param], [RunTag("note", "x" * 9_000)]
    )
    assert (metrics, params) == ([metric], [param])
    assert len(tags[0].value) == 8_000
    with pytest.raises(MlflowException, match="Invalid"):
        internals.checked_batch([Metric("loss?!", 0.5, 0, 1)])


def test_a_name_that_mlflow_draws_is_known_for_one(store: Store) -> None:
    drawn = store.client.create_run(store.experiment_id).info.run_name
    assert internals.is_drawn_name(drawn)
    assert not internals.is_drawn_name("A-baseline-seed0")
    assert not internals.is_drawn_name("bold-crane")


def test_the_user_grants_seconds_for_a_transfer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT", raising=False)
    assert internals.transfer_seconds() is None
    monkeypatch.setenv("MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT", "7")
    assert internals.transfer_seconds() == 7


def test_tables_are_made_and_known(tmp_path: Path, empty_database: Path) -> None:
    engine = internals.database_engine(sqlite_uri(empty_database))
    try:
        assert internals.has_tables(engine)
        there = set(engine.dialect.get_table_names(engine.connect()))
        assert internals.table_names() <= there
        assert "runs" in internals.table_names()
    finally:
        engine.dispose()
    bare = internals.database_engine(sqlite_uri(tmp_path / "bare.db"))
    assert not internals.has_tables(bare)
    bare.dispose()


@pytest.mark.slow
def test_tables_are_made_from_nothing(tmp_path: Path) -> None:
    uri = sqlite_uri(tmp_path / "new.db")
    internals.make_tables(uri, tmp_path / "mlruns")
    engine = internals.database_engine(uri)
    assert internals.has_tables(engine)
    engine.dispose()
