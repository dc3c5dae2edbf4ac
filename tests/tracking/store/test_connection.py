"""The store is where the user says, or is refused in one line with nothing created."""

import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient

from icl_mlflow.tracking.runs.lifecycle import open_run
from icl_mlflow.tracking.store.connection import Store, StoreError, connect, open_client
from tests.faults.test_outages import OPENING


def test_without_a_word_runs_go_to_this_folder(
    new_folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    store = connect()
    assert capfd.readouterr() == ("", "")
    assert store.tracking_uri == f"sqlite:///{new_folder}/mlflow.db"
    # Only what MLflow's own default would show: no lock, no drafts.
    assert {f.name for f in new_folder.iterdir()} == {"mlflow.db"}
    default = store.client.get_experiment_by_name("Default")
    assert default is not None
    assert default.experiment_id == store.experiment_id
    assert default.artifact_location.startswith(f"{new_folder}/mlruns")


def test_a_relative_file_is_made_absolute(
    store: Store, new_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    again = connect("tests")
    assert again.tracking_uri == f"sqlite:///{new_folder}/mlflow.db"
    assert again.experiment_id == store.experiment_id


@pytest.mark.usefixtures("store")
def test_files_lie_beside_the_database_whatever_the_working_folder(
    new_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (new_folder / "elsewhere").mkdir()
    monkeypatch.chdir(new_folder / "elsewhere")
    again = connect("a new one: 100 %/..")
    experiment = again.client.get_experiment(again.experiment_id)
    root = (new_folder / "mlruns").as_uri()
    assert experiment.artifact_location.startswith(f"{root}/a_new_one")
    run = again.client.create_run(again.experiment_id)
    again.client.log_text(run.info.run_id, "hello", "note.txt")
    assert [f.read_text() for f in new_folder.rglob("note.txt")] == ["hello"]
    assert not list((new_folder / "elsewhere").iterdir())


def test_the_experiment_is_the_one_that_is_asked_for(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = connect("other").experiment_id
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "other")
    assert connect().experiment_id == other
    assert connect("tests").experiment_id == store.experiment_id
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", other)
    assert connect().experiment_id == other
    assert connect("tests").experiment_id == store.experiment_id
    # The run that `mlflow run` has opened is where it is.
    opened = store.client.create_run(other).info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", opened)
    assert connect().experiment_id == other
    with pytest.raises(StoreError, match="is not where `mlflow run` has opened"):
        connect("tests")
    run = store.client.create_run(store.experiment_id)
    monkeypatch.setenv("MLFLOW_RUN_ID", run.info.run_id)
    assert connect("tests").experiment_id == store.experiment_id


@pytest.mark.usefixtures("store")
def test_an_experiment_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "4711")
    with pytest.raises(StoreError, match="4711"):
        connect()


def test_a_deleted_experiment_is_not_written_to(store: Store) -> None:
    store.client.delete_experiment(store.experiment_id)
    with pytest.raises(StoreError, match=r"deleted.*mlflow experiments restore"):
        connect("tests")


def test_the_client_does_not_depend_on_global_state(
    store: Store, new_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{new_folder}/other.db")
    run = store.client.create_run(store.experiment_id)
    assert store.client.get_run(run.info.run_id).info.status == "RUNNING"
    assert not (new_folder / "other.db").exists()


def test_reading_does_not_create_a_store(new_folder: Path) -> None:
    with pytest.raises(StoreError, match=r"no runs yet: .*mlflow\.db does not exist"):
        open_client()
    assert not list(new_folder.iterdir())


def test_an_experiment_whose_files_cannot_be_written_is_refused(store: Store) -> None:
    store.client.create_experiment("elsewhere", artifact_location="/proc/elsewhere")
    with pytest.raises(StoreError, match="cannot write in /proc"):
        connect("elsewhere")


def test_another_experiment_than_that_of_the_run_is_refused(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = store.client.create_run(store.experiment_id)
    monkeypatch.setenv("MLFLOW_RUN_ID", given.info.run_id)
    with pytest.raises(StoreError, match="--experiment-name"):
        connect("another")
    assert connect("tests").experiment_id == store.experiment_id
    assert store.client.get_experiment_by_name("another") is None


@pytest.mark.parametrize("uri", ["", "sqlite:///mlflow.db"])
def test_another_working_folder_makes_no_second_database(
    new_folder: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch, uri: str
) -> None:
    shutil.copy(empty_database, new_folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    before = connect()
    (new_folder / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    after = connect()
    with open_run(after, **OPENING) as log:
        log.metrics({"loss": 1.0}, step=0)
    assert after.tracking_uri == before.tracking_uri
    assert list(Path().iterdir()) == []
    # One that is there already is meant, as MLflow's own commands do.
    shutil.copy(empty_database, Path())
    assert connect().tracking_uri == f"sqlite:///{new_folder}/elsewhere/mlflow.db"


def test_beside_old_runs_the_command_for_the_ui_names_the_database(
    new_folder: Path, empty_database: Path
) -> None:
    shutil.copy(empty_database, new_folder)
    assert connect().ui_command == "mlflow ui"
    Path("mlruns/0").mkdir(parents=True)
    assert connect().ui_command == "mlflow ui"
    Path("mlruns/0/meta.yaml").touch()  # as MLflow kept runs formerly
    database = f"sqlite:///{new_folder}/mlflow.db"
    assert connect().ui_command == f"mlflow ui --backend-store-uri {database}"


def test_a_server_works_like_a_file(server_store: Store) -> None:
    run = server_store.client.create_run(server_store.experiment_id)
    assert run.info.experiment_id == server_store.experiment_id
    name = server_store.client.get_experiment(server_store.experiment_id).name
    assert connect(name).experiment_id == server_store.experiment_id
    assert isinstance(open_client(), MlflowClient)
