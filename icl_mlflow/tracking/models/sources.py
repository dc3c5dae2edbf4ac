"""Pull the trained models that a run id, or the name of a model, stands for."""

from collections import Counter
from dataclasses import dataclass

from mlflow import MlflowClient

from icl_mlflow.tracking.models.lookup import (
    LoadedModel,
    StoredModel,
    find_model,
    load_stored,
    models_of_run,
)
from icl_mlflow.tracking.runs.query import ended_run, one_line_errors
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
    reference = reference.removeprefix("runs:/").removesuffix("/model")
    if reference.startswith("models:/"):
        stored: tuple[StoredModel, ...] = (find_model(client, reference),)
        run_id = stored[0].run_id
    else:
        stored, run_id = models_of_run(client, reference), reference
    run = ended_run(client, run_id)
    with one_line_errors(client):
        experiment = client.get_experiment(run.info.experiment_id)
    return ReferencedModels(
        reference=reference,
        run_id=run_id,
        run_name=run.info.run_name,
        experiment_id=run.info.experiment_id,
        experiment=experiment.name,
        models=_loaded(client, stored),
    )


def _loaded(
    client: MlflowClient, stored: tuple[StoredModel, ...]
) -> tuple[ReferencedModel, ...]:
    """The models, each once: a version may have been copied under another name."""
    found: dict[tuple[str, str], tuple[StoredModel, LoadedModel]] = {}
    for one in stored:
        loaded = load_stored(client, one)
        found.setdefault((one.run_id, loaded.sha256), (one, loaded))
    alike = Counter(loaded.settings.run_name for _, loaded in found.values())
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
    name = loaded.settings.run_name
    return name if alike[name] == 1 else f"{name} ({stored.run_id[:8]})"
