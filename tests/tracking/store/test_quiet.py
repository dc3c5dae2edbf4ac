"""What the user has said to MLflow counts, and is as it was when we return."""

import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import mlflow
import pytest
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NOTE

from icl_mlflow.api import train
from icl_mlflow.tracking.models.lookup import load_model
from icl_mlflow.tracking.runs.lifecycle import open_run
from icl_mlflow.tracking.store.connection import Store, connect
from icl_mlflow.tracking.store.quiet import quiet_mlflow, said_by_user
from icl_mlflow.tracking.store.uri import StoreError
from icl_mlflow.training.settings import TrainSettings
from tests.faults.test_outages import OPENING
from tests.tiny import MOMENT

LOGGERS = ("mlflow", "alembic", "mlflow.utils.rest_utils", "urllib3")

SETTINGS = TrainSettings.preset("smoke", **MOMENT)


def surroundings() -> tuple[dict[str, str], list[int]]:
    """What of a program is not ours, beside its files."""
    levels = [logging.getLogger(name).level for name in LOGGERS]
    # pytest says there which test it is at, and torch where its own cache is.
    theirs = {"PYTEST_CURRENT_TEST", "TORCHINDUCTOR_CACHE_DIR"}
    return {k: v for k, v in os.environ.items() if k not in theirs}, levels


def opened(store: Store) -> None:
    with open_run(store, **OPENING) as log:
        log.metrics({"loss": 1.0}, step=0)


@pytest.mark.parametrize(
    "call",
    [
        lambda store: connect("another"),  # noqa: ARG005
        opened,
        lambda store: train(SETTINGS),  # noqa: ARG005
    ],
    ids=["connect", "open_run", "train"],
)
def test_environment_and_loggers_are_as_before(
    store: Store, call: Callable[[Store], object]
) -> None:
    logging.getLogger("mlflow").setLevel(logging.INFO)
    before = surroundings()
    call(store)
    assert surroundings() == before


def test_so_they_are_after_a_model_was_loaded(trained_store: Store) -> None:
    del trained_store
    before = surroundings()
    load_model("models:/icl-A-baseline@best")
    assert surroundings() == before


def test_what_the_user_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "120")
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", raising=False)
    with quiet_mlflow(), quiet_mlflow():
        assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "120"
        assert said_by_user("MLFLOW_HTTP_REQUEST_TIMEOUT") == "120"
        assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"]
        assert said_by_user("MLFLOW_HTTP_REQUEST_MAX_RETRIES") is None
    assert "MLFLOW_HTTP_REQUEST_MAX_RETRIES" not in os.environ


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
    opened(after)
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
