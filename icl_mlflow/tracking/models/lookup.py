"""Find stored models by run, version or alias, and load them with their hash checked.

Only files of fixed names are fetched, and only this package's own format is read: a
model that someone else logged is refused, never handed to a loader that runs code.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import LoggedModel, Run
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from icl_mlflow.tracking.local.safe_read import LONGEST_JSON, ModelError
from icl_mlflow.tracking.local.temporary import temporary_folder
from icl_mlflow.tracking.models.download import MissingFileError, fetch
from icl_mlflow.tracking.models.format import (
    DESCRIPTION_FILE,
    WEIGHTS_FILE,
    LoadedModel,
    longest_weights,
    read_package,
)
from icl_mlflow.tracking.models.logged_models import CHECKPOINT
from icl_mlflow.tracking.pyfunc import DATA_FOLDER
from icl_mlflow.tracking.runs.query import (
    FORMS,
    Reference,
    child_runs,
    ended_run,
    one_line_errors,
    reference_of,
    run_id_of,
)
from icl_mlflow.tracking.store.connection import open_client
from icl_mlflow.tracking.store.mlflow_internals import (
    artifact_files,
    local_folder,
    model_id_of,
    name_and_version,
)
from icl_mlflow.tracking.store.moved_files import (
    ADVICE,
    missing_files,
    present_location,
)
from icl_mlflow.tracking.store.quiet import quiet_mlflow
from icl_mlflow.tracking.store.uri import is_elsewhere, shown, without_secrets

__all__ = [
    "LoadedModel",
    "ModelError",
    "StoredModel",
    "find_model",
    "load_model",
    "load_stored",
    "models_of_run",
]


@dataclass(frozen=True)
class StoredModel:
    """A model in the store, found but not yet loaded.

    Attributes:
        reference: what finds it again: ``models:/icl-A-baseline/3``.
        run_id: of the run that trained it.
        location: where its files are.
        tags: what was recorded with it: task, variant, seed, sha256, metrics, ...
    """

    reference: str
    run_id: str
    location: str
    tags: Mapping[str, str]

    @property
    def epoch(self) -> int | None:
        """The epoch that a checkpoint is of; None for the result of a run."""
        found = self.tags.get(CHECKPOINT)
        return None if found is None else _number(found)


@quiet_mlflow()
def load_model(reference: Reference, client: MlflowClient | None = None) -> LoadedModel:
    """Load one trained model, hash checked.

    Args:
        reference: a result of `icl_mlflow.train`, a run id, ``runs:/ID``, or what
            MLflow calls a model:
            ``models:/NAME/VERSION``, ``models:/NAME@ALIAS``, ``models:/NAME/latest``,
            ``models:/NAME/STAGE`` or ``models:/MODEL_ID``.
        client: of the store; by default the one of MLFLOW_TRACKING_URI, or of
            ``mlflow.db`` in the working folder.

    Raises:
        ModelError: there is no such model, or it cannot be trusted.
        StoreError: the store cannot be used.
    """
    client = client or open_client()
    return load_stored(client, find_model(client, reference_of(reference)))


def find_model(client: MlflowClient, reference: str) -> StoredModel:
    """The one model that ``reference`` names; see `load_model`.

    Raises:
        ModelError: there is none, or there are several.
    """
    if reference.startswith("models:/"):
        return _find_version(client, reference)
    run_id = run_id_of(reference)
    found = models_of_run(client, run_id)
    if len(found) > 1:
        names = ", ".join(model.reference for model in found)
        raise ModelError(
            f"run {run_id} has {len(found)} models; choose one of: {names}"
        )
    return found[0]


def models_of_run(client: MlflowClient, run_id: str) -> tuple[StoredModel, ...]:
    """The models of a run, or of all its children, by variant and seed.

    Children without a model, such as failed ones, are passed over.

    Raises:
        ModelError: the run is unknown, deleted or still running, or has no model.
    """
    run = ended_run(client, run_id)
    with one_line_errors(client):
        found = _own_models(client, run)
        for child in () if found else child_runs(client, run):
            found += _own_models(client, child)
    if not found:
        raise ModelError(f"run {run_id} has no model; {_instead(client, run)}")
    return tuple(sorted(found, key=_by_variant_and_seed))


def checkpoints_of_run(client: MlflowClient, run: Run) -> list[StoredModel]:
    """The weights of a run after its epochs, as far as they are kept, in order."""
    with one_line_errors(client):
        stored = [_logged(model) for model in _outputs(client, run)]
    found = [model for model in stored if model.epoch is not None]
    return sorted(found, key=lambda model: (model.epoch, model.reference))


def _instead(client: MlflowClient, run: Run) -> str:
    """What to give in place of a run without a model."""
    checkpoints = checkpoints_of_run(client, run)
    if not checkpoints:
        return "give the id of a training run"
    n, last = len(checkpoints), checkpoints[-1].reference
    left = "1 checkpoint" if n == 1 else f"{n} checkpoints"
    return f"it has left {left}, the last is {last}"


def load_stored(client: MlflowClient, stored: StoredModel) -> LoadedModel:
    """Fetch a model's files into a temporary folder and read them.

    Raises:
        ModelError: the files are missing or damaged, or of another project.
    """
    stored = _where_it_is(client, stored)
    with temporary_folder() as folder:
        with one_line_errors(client), _one_line_failures(stored):
            _fetch(client, stored, Path(folder))
        try:
            loaded = read_package(Path(folder, DATA_FOLDER))
        except ModelError as error:
            raise ModelError(f"{stored.reference}: {error}") from error
    if loaded.sha256 != stored.tags.get("sha256", loaded.sha256):
        raise ModelError(
            f"{stored.reference}: {WEIGHTS_FILE} is not the file that was registered: "
            f"its SHA-256 is {loaded.sha256[:12]}..., "
            f"but the registry says {stored.tags['sha256'][:12]}..."
        )
    return loaded


def _where_it_is(client: MlflowClient, stored: StoredModel) -> StoredModel:
    """The model at its present location.

    Raises:
        ModelError: its files are on this machine, but not where they should be.
    """
    location = present_location(stored.location, client.tracking_uri)
    if place := missing_files(location):
        raise ModelError(f"{stored.reference}: its files are not at {place}; {ADVICE}")
    return replace(stored, location=location)


def _fetch(client: MlflowClient, stored: StoredModel, folder: Path) -> None:
    """Download the two files by their own names, whatever else lies beside them."""
    _check_location(client, stored)
    remote = artifact_files(stored.location, client.tracking_uri)
    try:
        described = fetch(
            remote, f"{DATA_FOLDER}/{DESCRIPTION_FILE}", folder, LONGEST_JSON
        )
    except MissingFileError as error:
        raise ModelError(
            f"{stored.reference} is not a model of this project: "
            f"it has no {DESCRIPTION_FILE}"
        ) from error
    try:
        limit = longest_weights(described.parent)
    except ModelError as error:
        raise ModelError(f"{stored.reference}: {error}") from error
    with suppress(MissingFileError):  # who reads the package says so
        fetch(remote, f"{DATA_FOLDER}/{WEIGHTS_FILE}", folder, limit)


def _check_location(client: MlflowClient, stored: StoredModel) -> None:
    """Refuse a place that leads elsewhere: whoever registered a model has named it.

    Raises:
        ModelError: links in a folder, or another server, which would get our password.
    """
    location = stored.location
    if root := local_folder(location):
        for name in (DESCRIPTION_FILE, WEIGHTS_FILE):
            within = Path(DATA_FOLDER, name)
            if (root / within).resolve() != root.resolve() / within:
                raise ModelError(f"{stored.reference}: {within} is behind a link")
    elif is_elsewhere(location, client.tracking_uri):
        raise ModelError(
            f"{stored.reference}: its files are said to be on another server, "
            f"{shown(location)}, which gets no password; set MLFLOW_TRACKING_URI to "
            "that server to fetch them"
        )


@contextmanager
def _one_line_failures(stored: StoredModel) -> Iterator[None]:
    """Turn what the many kinds of storage raise into a ModelError."""
    try:
        yield
    except (MlflowException, ModelError):
        raise
    except Exception as error:
        reason = without_secrets(str(error), stored.location)
        raise ModelError(
            f"{stored.reference}: its files cannot be fetched from "
            f"{shown(stored.location)}: {reason}"
        ) from error


def _find_version(client: MlflowClient, reference: str) -> StoredModel:
    try:
        model_id = model_id_of(reference)
    except MlflowException as error:
        raise ModelError(f"{reference!r} is not a model; give {FORMS}") from error
    with one_line_errors(client, missing=f"there is no model {reference}"):
        if model_id:
            return _logged(client.get_logged_model(model_id))
        name, version = name_and_version(client, reference)
        return _stored(client, client.get_model_version(name, version))


def _own_models(client: MlflowClient, run: Run) -> list[StoredModel]:
    """The registered versions of a run; one that was only logged if there are none."""
    versions = client.search_model_versions(f"run_id='{run.info.run_id}'")
    if versions:
        return [_stored(client, version) for version in versions]
    logged = [_logged(model) for model in _outputs(client, run)]
    return [model for model in logged if model.epoch is None]


def _outputs(client: MlflowClient, run: Run) -> list[LoggedModel]:
    """The models of a run, checkpoints among them."""
    outputs = run.outputs.model_outputs if run.outputs else []
    return [client.get_logged_model(output.model_id) for output in outputs]


def _logged(model: LoggedModel) -> StoredModel:
    return StoredModel(
        reference=f"models:/{model.model_id}",
        run_id=model.source_run_id or "",
        location=model.artifact_location,
        tags=model.tags,
    )


def _stored(client: MlflowClient, version: ModelVersion) -> StoredModel:
    return StoredModel(
        reference=f"models:/{version.name}/{version.version}",
        run_id=version.run_id or "",
        location=client.get_model_version_download_uri(version.name, version.version),
        tags=version.tags,
    )


def _by_variant_and_seed(model: StoredModel) -> tuple[str, int, str]:
    return (
        model.tags.get("variant", ""),
        _number(model.tags.get("seed", "")),
        model.reference,
    )


def _number(text: str) -> int:
    """A seed, for sorting; -1 for what others have written there."""
    return int(text) if re.fullmatch(r"[0-9]{1,20}", text) else -1
