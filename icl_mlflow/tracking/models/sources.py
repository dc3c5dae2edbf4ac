"""Pull the trained models that a run id, or the name of a model, stands for."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.entities import Run

from icl_mlflow.tracking.models.lookup import (
    LoadedModel,
    ModelError,
    StoredModel,
    checkpoints_of_run,
    find_model,
    load_stored,
    models_of_run,
)
from icl_mlflow.tracking.runs.query import (
    child_runs,
    ended_run,
    known_run,
    one_line_errors,
    run_id_of,
)
from icl_mlflow.training.results import TrainedModel


@dataclass(frozen=True, kw_only=True)
class ReferencedModel:
    """One model, loaded, and where it came from."""

    trained_model: TrainedModel
    stored: StoredModel
    sha256: str


@dataclass(frozen=True, kw_only=True)
class ReferencedModels:
    """The models that a reference stands for.

    Attributes:
        reference: as it was given.
        run_id, run_name: of the training run, or of the parent of them all.
        experiment_id, experiment: where that run is, by id and by name.
        models: all of them, by variant and seed.
    """

    reference: str
    run_id: str
    run_name: str
    experiment_id: str
    experiment: str
    models: tuple[ReferencedModel, ...]

    @property
    def trained_models(self) -> tuple[TrainedModel, ...]:
        """The models alone."""
        return tuple(model.trained_model for model in self.models)


def pull(client: MlflowClient, reference: str) -> ReferencedModels:
    """Find, fetch and check every model that ``reference`` stands for.

    Args:
        client: of the store.
        reference: the id of a training run, or of a parent run for all models below it;
            or ``models:/NAME/VERSION`` or ``models:/NAME@ALIAS``.

    Raises:
        ModelError: there is no such run or model, or it cannot be trusted.
    """
    reference = run_id_of(reference)
    if not reference.startswith("models:/"):
        run = ended_run(client, reference)
        return _referenced(client, reference, run, models_of_run(client, reference))
    stored = find_model(client, reference)
    # The weights after an epoch are there while the next one is trained.
    find_run = ended_run if stored.epoch is None else known_run
    return _referenced(client, reference, find_run(client, stored.run_id), (stored,))


def pull_checkpoints(client: MlflowClient, reference: str) -> ReferencedModels:
    """Find, fetch and check the checkpoints of a training, which may be under way.

    Args:
        client: of the store.
        reference: the id of a training run, or of a parent run for all below it.

    Raises:
        ModelError: there is no such run, or no checkpoint of it in the store.
    """
    run = known_run(client, run_id_of(reference))
    found = checkpoints_of_run(client, run)
    with one_line_errors(client):
        children = () if found else child_runs(client, run)
    for child in children:
        found += checkpoints_of_run(client, child)
    if not found:
        raise ModelError(
            f"run {run.info.run_id} has no checkpoints in the store; train with "
            "keep_checkpoints=log to have one an epoch"
        )
    return _referenced(client, reference, run, found)


def _referenced(
    client: MlflowClient, reference: str, run: Run, stored: Sequence[StoredModel]
) -> ReferencedModels:
    with one_line_errors(client):
        experiment = client.get_experiment(run.info.experiment_id)
    return ReferencedModels(
        reference=reference,
        run_id=run.info.run_id,
        run_name=run.info.run_name,
        experiment_id=run.info.experiment_id,
        experiment=experiment.name,
        models=_loaded(client, stored),
    )


def _loaded(
    client: MlflowClient, stored: Sequence[StoredModel]
) -> tuple[ReferencedModel, ...]:
    """The models, each once: a version may have been copied under another name."""
    found: dict[tuple[str, str, int | None], tuple[StoredModel, LoadedModel]] = {}
    for one in stored:
        loaded = load_stored(client, one)
        found.setdefault((one.run_id, loaded.sha256, one.epoch), (one, loaded))
    alike = Counter(_plain_name(loaded, one) for one, loaded in found.values())
    return tuple(
        ReferencedModel(
            trained_model=TrainedModel(
                name=_name(loaded, one, alike),
                model=loaded.model,
                settings=loaded.settings,
            ),
            stored=one,
            sha256=loaded.sha256,
        )
        for one, loaded in found.values()
    )


def _name(loaded: LoadedModel, stored: StoredModel, alike: Counter[str]) -> str:
    """The run's name, with its id where others are called the same."""
    name = _plain_name(loaded, stored)
    return name if alike[name] == 1 else f"{name} ({stored.run_id[:8]})"


def _plain_name(loaded: LoadedModel, stored: StoredModel) -> str:
    """``A-baseline-seed0``; ``A-baseline-seed0-epoch3`` for a checkpoint."""
    name = loaded.settings.run_name
    return name if stored.epoch is None else f"{name}-epoch{stored.epoch}"
