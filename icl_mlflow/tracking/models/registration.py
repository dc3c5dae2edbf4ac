"""Store a run's model and register it as the next version of ``icl-<task>-<variant>``.

Versions are compared by excess risk on the validation set, never on the test set; the
best one has the alias ``best``.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion as ModelVersionOfRegistry
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_MODEL_VERSIONS

from icl_mlflow.tracking.models.best import move_best
from icl_mlflow.tracking.models.logged_models import (
    ModelOfRun,
    SizeOf,
    is_stored,
    store_model,
)
from icl_mlflow.tracking.models.packaging import MODEL_NAME
from icl_mlflow.tracking.outbox.records import ModelVersion
from icl_mlflow.tracking.store.connection import Store, answered_run


@dataclass(frozen=True)
class RegisteredModel:
    """Where a model has been registered.

    Attributes:
        name: of the registered model, such as ``icl-A-baseline``.
        version: its number.
        sha256: of the weights.
        model_id: of the logged model, which metrics can be linked to.
    """

    name: str
    version: str
    sha256: str
    model_id: str

    @property
    def uri(self) -> str:
        """What MLflow calls it: ``models:/icl-A-baseline/3``."""
        return f"models:/{self.name}/{self.version}"


def register(
    store: Store, run_id: str, folder: Path, wanted: ModelVersion, size_of: SizeOf
) -> RegisteredModel:
    """Store the model with its run, make it a registered version, and move ``best``.

    What an earlier attempt has done stays as it is: a run has a model only once.

    Args:
        store: where the run is.
        run_id: of the run that trained it.
        folder: from `icl_mlflow.tracking.models.packaging.packaged`; gets the model's
            id and place.
        wanted: what to register. Its validation risk among the results makes the
            version a candidate for ``best``.
        size_of: bytes of a file by its SHA-256, as far as they are known.
    """
    run = answered_run(store, run_id)
    model_id = store_model(store, run, folder, _of_run(wanted), size_of)
    version = _known_version(store.client, run_id, wanted) or _create_version(
        store, run_id, model_id, wanted
    )
    registered = RegisteredModel(
        wanted.name, str(version.version), wanted.sha256, model_id
    )
    _link(store.client, model_id, registered)
    move_best(store.client, wanted.name)
    return registered


def is_registered(
    store: Store, run: Run, wanted: ModelVersion, size_of: SizeOf
) -> bool:
    """Whether the store has the model of a run, with its files, and a version of it."""
    return (
        is_stored(store, run, _of_run(wanted), size_of)
        and _known_version(store.client, run.info.run_id, wanted) is not None
    )


def _of_run(wanted: ModelVersion) -> ModelOfRun:
    return ModelOfRun(
        name=MODEL_NAME,
        sha256=wanted.sha256,
        files=wanted.files,
        params=wanted.params,
        tags=wanted.facts,
    )


def _known_version(
    client: MlflowClient, run_id: str, wanted: ModelVersion
) -> ModelVersionOfRegistry | None:
    """The version that an earlier attempt has registered, the lowest of them."""
    found = [
        version
        for version in client.search_model_versions(f"run_id='{run_id}'")
        if version.name == wanted.name and version.tags.get("sha256") == wanted.sha256
    ]
    return min(found, key=lambda version: int(version.version), default=None)


def _create_version(
    store: Store, run_id: str, model_id: str, wanted: ModelVersion
) -> ModelVersionOfRegistry:
    _ensure_name(store.client, wanted.name)
    return store.client.create_model_version(
        wanted.name,
        source=store.client.get_logged_model(model_id).artifact_location,
        run_id=run_id,
        model_id=model_id,
        tags={**wanted.facts, "run_id": run_id, **wanted.results},
    )


def _link(client: MlflowClient, model_id: str, registered: RegisteredModel) -> None:
    """Let the stored model point to its version, as an MLflow server would do.

    The UI shows the link; without a server nobody else sets it.
    """
    version = {"name": registered.name, "version": registered.version}
    client.set_logged_model_tags(
        model_id, {MLFLOW_MODEL_VERSIONS: json.dumps([version])}
    )


def _ensure_name(client: MlflowClient, name: str) -> None:
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
