"""Store a run's model and register it as the next version of ``icl-<task>-<variant>``.

Versions are compared by excess risk on the validation set, never on the test set; the
best one has the alias ``best``.
"""

import json
import math
import posixpath
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import LoggedModel, LoggedModelOutput, LoggedModelStatus, Run
from mlflow.entities.model_registry import ModelVersion as ModelVersionOfRegistry
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from mlflow.utils.mlflow_tags import MLFLOW_MODEL_VERSIONS

from icl_mlflow.models import Transformer
from icl_mlflow.tracking import pyfunc
from icl_mlflow.tracking.models.format import write_package
from icl_mlflow.tracking.outbox.records import ModelVersion
from icl_mlflow.tracking.store.connection import Store, StoreError, answered_run
from icl_mlflow.tracking.store.mlflow_internals import MODEL_FILE
from icl_mlflow.tracking.store.run_files import check_place
from icl_mlflow.training.settings import TrainSettings

#: The name under which the model of a run is stored: ``runs:/ID/model``.
MODEL_NAME = "model"
BEST = "best"
SELECTION_METRIC = "val/excess_risk"

_STANDARD = "standard"

SizeOf = Callable[[str], int | None]


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


def registered_name(settings: TrainSettings) -> str:
    """``icl-A-baseline``: the registered model of a task and variant.

    MLflow takes every character but ``/`` and ``:`` in a name, so the names of tasks
    and variants, such as ``no_position+noisy_labels_0.2``, stay as they are.
    """
    return f"icl-{settings.task}-{settings.variant}"


def packaged(
    folder: Path,
    run_id: str,
    model: Transformer,
    settings: TrainSettings,
) -> tuple[Path, dict[str, str]]:
    """Write the model that MLflow is to store; its folder, and what is known of it.

    Only its id and its place are missing, which MLflow gives when it is registered.

    Args:
        folder: to write into.
        run_id: of the run that trained it.
        model: the weights to keep.
        settings: of the run.
    """
    package = folder / pyfunc.PACKAGE_NAME
    facts = {
        "task": settings.task,
        "variant": settings.variant,
        "seed": str(settings.seed),
        "settings_hash": settings.identity,
        "problem": _problem(settings),
        "sha256": write_package(package, model, settings),
    }
    target = folder / "mlflow-model"
    pyfunc.save(target, package, model, Model(artifact_path=MODEL_NAME, run_id=run_id))
    return target, facts


def register(
    store: Store, run_id: str, folder: Path, wanted: ModelVersion, size_of: SizeOf
) -> RegisteredModel:
    """Store the model with its run, make it a registered version, and move ``best``.

    What an earlier attempt has done stays as it is: a run has a model only once.

    Args:
        store: where the run is.
        run_id: of the run that trained it.
        folder: from `packaged`; gets the model's id and place.
        wanted: what to register. `SELECTION_METRIC` among its results makes the version
            a candidate for ``best``.
        size_of: bytes of a file by its SHA-256, as far as they are known.
    """
    run = answered_run(store, run_id)
    model_id = _store_model(store, run, folder, wanted, size_of)
    version = _known_version(store.client, run_id, wanted) or _create_version(
        store, run_id, model_id, wanted
    )
    registered = RegisteredModel(
        wanted.name, str(version.version), wanted.sha256, model_id
    )
    _link(store.client, model_id, registered)
    _move_best(store.client, wanted.name)
    return registered


def is_registered(
    store: Store, run: Run, wanted: ModelVersion, size_of: SizeOf
) -> bool:
    """Whether the store has the model of a run, with its files, and a version of it."""
    stored = _known_model(store, run, wanted.sha256)
    return (
        stored is not None
        and stored.status == LoggedModelStatus.READY
        and _has_files(store.client, stored.model_id, wanted, size_of)
        and _known_version(store.client, run.info.run_id, wanted) is not None
    )


def _has_files(
    client: MlflowClient, model_id: str, wanted: ModelVersion, size_of: SizeOf
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


def _store_model(
    store: Store, run: Run, folder: Path, wanted: ModelVersion, size_of: SizeOf
) -> str:
    """Upload the MLflow model; its id."""
    run_id: str = run.info.run_id
    known = _known_model(store, run, wanted.sha256)
    stored = known or store.client.create_logged_model(
        experiment_id=run.info.experiment_id,
        name=MODEL_NAME,
        source_run_id=run_id,
        params=dict(wanted.params),
        tags=dict(wanted.facts),
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
        store.client.log_outputs(run_id, [LoggedModelOutput(model_id, step=0)])
    return model_id


def _known_model(store: Store, run: Run, sha256: str) -> LoggedModel | None:
    """The model that an earlier attempt has stored, the oldest of them."""
    found = store.client.search_logged_models(
        [run.info.experiment_id],
        f"attributes.source_run_id = '{run.info.run_id}' AND tags.sha256 = '{sha256}'",
        order_by=[{"field_name": "creation_timestamp", "ascending": True}],
    )
    return found[0] if found else None


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


def _move_best(client: MlflowClient, name: str) -> None:
    """Give the alias to the best version, whoever else is registering at the same time.

    A version that came in between two looks would be missed, so look again after every
    move: then the last of several processes to move it has seen all versions.
    """
    best = _best_version(client, name)
    moved = None
    while best is not None and best != moved:
        _set_best(client, name, best)
        moved, best = best, _best_version(client, name)


def _set_best(client: MlflowClient, name: str, version: str) -> None:
    try:
        client.set_registered_model_alias(name, BEST, version)
    except MlflowException as error:
        # MLflow looks for the alias and then inserts it, so of two processes that set
        # it for the first time one fails. The second time it is there, and is moved.
        if error.error_code != "BAD_REQUEST":
            raise
        client.set_registered_model_alias(name, BEST, version)


def _best_version(client: MlflowClient, name: str) -> str | None:
    versions = client.search_model_versions(f"name='{name}'", max_results=10_000)
    candidates = [v for v in versions if math.isfinite(_selection_value(v))]
    if not candidates:
        return None
    return str(min(candidates, key=_rank).version)


def _rank(version: ModelVersionOfRegistry) -> tuple[bool, float, int]:
    """Lowest first: the standard problem before changed ones, then the lowest risk.

    Of an easy problem, such as a single context point, there is little to miss; a model
    of one must not pass for a better model of the standard problem.
    """
    changed = version.tags.get("problem") != _STANDARD
    return changed, _selection_value(version), int(version.version)


def _selection_value(version: ModelVersionOfRegistry) -> float:
    return float(version.tags.get(SELECTION_METRIC, "nan"))


def _problem(settings: TrainSettings) -> str:
    """What is posed differently from the default problem: ``dim=4 n_context=8``."""
    ours, standard = (
        {"dim": s.dim, "n_context": s.n_context, **s.task_parameters}
        for s in (settings, TrainSettings(task=settings.task))
    )
    changes = [f"{k}={ours[k]}" for k in ours if ours[k] != standard[k]]
    return " ".join(changes) or _STANDARD
