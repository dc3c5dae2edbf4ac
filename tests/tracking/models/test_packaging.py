"""A registered model has the name of its task and variant, which MLflow takes."""

from typing import Any

import pytest

from icl_mlflow.tracking.models.lookup import find_model
from icl_mlflow.tracking.models.packaging import registered_name
from icl_mlflow.training.settings import TrainSettings


@pytest.mark.parametrize("where", ["store", "server_store"])
def test_the_registry_takes_composed_names(
    request: pytest.FixtureRequest, where: str
) -> None:
    store: Any = request.getfixturevalue(where)
    settings = TrainSettings()
    object.__setattr__(settings, "variant", "no_position+noisy_labels_0.2")
    name = registered_name(settings)
    assert name == "icl-A-no_position+noisy_labels_0.2"
    store.client.create_registered_model(name)
    run = store.client.create_run(store.experiment_id)
    source = run.info.artifact_uri
    store.client.create_model_version(name, source, run.info.run_id)
    store.client.set_registered_model_alias(name, "best", "1")
    for reference in (f"models:/{name}/1", f"models:/{name}@best"):
        assert find_model(store.client, reference).run_id == run.info.run_id
    assert len(store.client.search_model_versions(f"name='{name}'")) == 1
