"""What the user has said to MLflow counts, and is as it was when we return."""

import logging
import os
from collections.abc import Callable

import pytest

from icl_mlflow.api import train
from icl_mlflow.tracking.models.lookup import load_model
from icl_mlflow.tracking.runs.lifecycle import open_run
from icl_mlflow.tracking.store.connection import Store, connect
from icl_mlflow.tracking.store.quiet import quiet_mlflow, said_by_user
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
