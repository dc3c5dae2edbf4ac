"""A model that was not trained here is tested on the episodes of its own problem."""

import pytest

from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.training.problem import initial_model
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.workflows.given.model import log_given_model
from tests.tiny import MODEL, MOMENT


def test_it_is_logged_as_a_run_with_what_is_known_of_it(store: Store) -> None:
    settings = TrainSettings(**{**MOMENT, **MODEL, "epochs": 0, "batch_size": 64})
    logged = log_given_model(
        store,
        settings,
        initial_model(settings),
        run_name="given",
        registered_name="icl-A-given",
        facts={"source": "elsewhere", "settings_hash": "given-1"},
        description="Not trained here.",
        more=lambda log: log.json("more.json", {"known": True}),
    )
    run = store.client.get_run(logged.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags["source"] == "elsewhere"
    assert run.data.metrics == pytest.approx(logged.test)
    assert logged.model_uri == "models:/icl-A-given/1"
    files = {file.path for file in store.client.list_artifacts(logged.run_id)}
    assert {"settings.json", "more.json"} <= files
    version = store.client.get_model_version("icl-A-given", "1")
    assert version.tags["source"] == "elsewhere"
