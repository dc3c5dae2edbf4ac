"""The models of a run as MLflow's LoggedModels: each is stored once, with its files."""

import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import LoggedModel, LoggedModelOutput, LoggedModelStatus, Run
from mlflow.models import Model

from icl_mlflow.tracking import pyfunc
from icl_mlflow.tracking.store.connection import Store, StoreError
from icl_mlflow.tracking.store.mlflow_internals import MODEL_FILE
from icl_mlflow.tracking.store.run_files import check_place

#: The tag of a model that is no result of its run, but the weights after an epoch.
CHECKPOINT = "checkpoint_epoch"

#: Bytes of a file by its SHA-256, as far as they are known.
SizeOf = Callable[[str], int | None]


@dataclass(frozen=True, kw_only=True)
class ModelOfRun:
    """A model that a run is to have.

    Attributes:
        name: that the UI calls it by.
        sha256: of its weights.
        files: path within the model's folder to SHA-256.
        params, tags: what is known of it.
        step: of the run that it belongs to.
    """

    name: str
    sha256: str
    files: Mapping[str, str]
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    step: int = 0


def store_model(
    store: Store, run: Run, folder: Path, wanted: ModelOfRun, size_of: SizeOf
) -> str:
    """Store a model with its run; its id. What an earlier attempt has stored stays.

    Args:
        store: where the run is.
        run: that made it.
        folder: from `icl_mlflow.tracking.models.packaging.packaged`; gets the model's
            id and place.
        wanted: what to store.
        size_of: bytes of its files.

    Raises:
        StoreError: something answers that is no tracking store.
    """
    run_id: str = run.info.run_id
    known = _known(store, run, wanted)
    stored = known or store.client.create_logged_model(
        experiment_id=run.info.experiment_id,
        name=wanted.name,
        source_run_id=run_id,
        params=dict(wanted.params),
        tags=dict(wanted.tags),
    )
    model_id: str = stored.model_id
    if not model_id:
        raise StoreError(f"{store.place} answers, but not as a tracking server does")
    check_place(stored.artifact_location, store.tracking_uri, f"model {model_id}")
    is_whole = known is not None and _has_files(store.client, model_id, wanted, size_of)
    if stored.status != LoggedModelStatus.READY or not is_whole:
        about = Model.load(folder)
        about.run_id = run_id
        about.model_id, about.artifact_path = model_id, stored.artifact_location
        about.save(folder / MODEL_FILE)
        store.client.log_model_artifacts(model_id, str(folder))
        store.client.finalize_logged_model(model_id, "READY")
    outputs = run.outputs.model_outputs if run.outputs else []
    if model_id not in {output.model_id for output in outputs}:
        store.client.log_outputs(
            run_id, [LoggedModelOutput(model_id, step=wanted.step)]
        )
    return model_id


def stored_model(
    store: Store, run: Run, wanted: ModelOfRun, size_of: SizeOf
) -> LoggedModel | None:
    """The model of a run as the store has it; None if it lacks it, or a file of it."""
    stored = _known(store, run, wanted)
    if stored is None or stored.status != LoggedModelStatus.READY:
        return None
    is_whole = _has_files(store.client, stored.model_id, wanted, size_of)
    return stored if is_whole else None


def _known(store: Store, run: Run, wanted: ModelOfRun) -> LoggedModel | None:
    """The model that an earlier attempt has stored, the oldest of them.

    The result of a run has the weights of one of its checkpoints, and is not it.
    """
    found = store.client.search_logged_models(
        [run.info.experiment_id],
        f"attributes.source_run_id = '{run.info.run_id}' "
        f"AND tags.sha256 = '{wanted.sha256}'",
        order_by=[{"field_name": "creation_timestamp", "ascending": True}],
    )
    epoch = wanted.tags.get(CHECKPOINT)
    alike = [model for model in found if model.tags.get(CHECKPOINT) == epoch]
    return alike[0] if alike else None


def _has_files(
    client: MlflowClient, model_id: str, wanted: ModelOfRun, size_of: SizeOf
) -> bool:
    """Whether the files of the package are there, as long as they must be."""
    entries = client.list_logged_model_artifacts(model_id, pyfunc.DATA_FOLDER)
    found = {posixpath.basename(e.path): e.file_size for e in entries}
    return all(
        name in found and len({found[name], size_of(sha256)} - {None}) <= 1
        for path, sha256 in wanted.files.items()
        for folder, name in [posixpath.split(path)]
        if folder == pyfunc.DATA_FOLDER
    )
