"""A run has its model as a LoggedModel, once."""

from typing import Any

from icl_mlflow.tracking.store.connection import Store

Keep = Any  # the fixture in conftest.py


def test_the_run_shows_its_model(store: Store, keep: Keep) -> None:
    run_id, registered = keep(store)
    run = store.client.get_run(run_id)
    (output,) = run.outputs.model_outputs
    logged = store.client.get_logged_model(output.model_id)
    assert logged.name == run.info.run_name
    assert logged.source_run_id == run_id
    assert logged.status == "READY"
    assert registered.name in logged.tags["mlflow.modelVersions"]
