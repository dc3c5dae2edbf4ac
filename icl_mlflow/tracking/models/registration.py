"""Store a run's model and register it as the next version of ``icl-<task>-<variant>``.

Versions are compared by excess risk on the validation set, never on the test set; the
best one has the alias ``best``. Weights that a name has already are not registered
again.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_MODEL_VERSIONS

from icl_mlflow.tracking.models.card import LONGEST
from icl_mlflow.tracking.models.logged_models import (
    ModelOfRun,
    SizeOf,
    store_model,
    stored_model,
)
from icl_mlflow.tracking.models.owner import OWNER, our_name
from icl_mlflow.tracking.models.presentation import present
from icl_mlflow.tracking.models.versions import (
    OURS,
    SELECTION_METRIC,
    TAG_DIGITS,
    TEST_ACCURACY,
    TEST_RISK,
    RegisteredVersion,
    rounded,
    versions_of,
)
from icl_mlflow.tracking.outbox.records import ModelVersion
from icl_mlflow.tracking.store.connection import Store, answered_run
from icl_mlflow.tracking.store.mlflow_internals import logged_model_name

#: Tags of a version; what else is known of it stands in its card and in its run.
_FACTS = ("task", "variant", "seed", "problem", "sha256", "source")
_RESULTS = (SELECTION_METRIC, TEST_RISK, TEST_ACCURACY)

#: Characters of a card, which leave room for why it is the best and how it is loaded.
_LONGEST_CARD = LONGEST - 1_500


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

    What an earlier attempt has done stays as it is: a run has a model only once. If
    another run has registered the same weights under this name, its version stands for
    both.

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
    model_id = store_model(store, run, folder, _of_run(run, wanted), size_of)
    known = _known_version(store.client, run_id, wanted)
    version = known.version if known else _create_version(store, run, model_id, wanted)
    registered = RegisteredModel(wanted.name, str(version), wanted.sha256, model_id)
    _link(store.client, model_id, registered)
    if known is None or known.run_id == run_id:
        present(store.client, wanted.name, int(version), wanted.about)
    return registered


def is_registered(
    store: Store, run: Run, wanted: ModelVersion, size_of: SizeOf
) -> bool:
    """Whether the store has the model of a run, with its files, and a version of it."""
    return (
        stored_model(store, run, _of_run(run, wanted), size_of) is not None
        and _known_version(store.client, run.info.run_id, wanted) is not None
    )


def _of_run(run: Run, wanted: ModelVersion) -> ModelOfRun:
    return ModelOfRun(
        name=logged_model_name(run.info.run_name),
        sha256=wanted.sha256,
        files=wanted.files,
        params=wanted.params,
        tags=wanted.facts,
    )


def _known_version(
    client: MlflowClient, run_id: str, wanted: ModelVersion
) -> RegisteredVersion | None:
    """The version of these weights; that of the run before the lowest of others."""
    query = f"name = '{wanted.name}' AND tags.sha256 = '{wanted.sha256}'"
    found = versions_of(client, query)
    return min(found, key=lambda one: (one.run_id != run_id, one.version), default=None)


def _create_version(store: Store, run: Run, model_id: str, wanted: ModelVersion) -> int:
    """Register the next version; its number."""
    client = store.client
    _ensure_name(client, wanted.name)
    created = client.create_model_version(
        wanted.name,
        source=client.get_logged_model(model_id).artifact_location,
        run_id=run.info.run_id,
        model_id=model_id,
        tags=_version_tags(wanted),
        # At once: others may add to it as soon as the version is there.
        description=f"{OURS}\n{wanted.card}"[:_LONGEST_CARD] if wanted.card else None,
    )
    return int(created.version)


def _version_tags(wanted: ModelVersion) -> dict[str, str]:
    """Eight tags at most, of numbers six digits."""
    facts = {name: wanted.facts[name] for name in _FACTS if name in wanted.facts}
    results = {
        name: rounded(float(wanted.results[name]), TAG_DIGITS)
        for name in _RESULTS
        if name in wanted.results
    }
    return facts | results


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
        client.create_registered_model(name, tags={OWNER: our_name()})
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
