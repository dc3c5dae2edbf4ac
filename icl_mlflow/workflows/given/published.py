"""Import one published checkpoint: from its file to a run and a registered version."""

from dataclasses import dataclass
from pathlib import Path

from icl_mlflow.models import Transformer
from icl_mlflow.published.checkpoint import Published, read_published
from icl_mlflow.published.experiment import Experiment, experiment, experiment_of
from icl_mlflow.published.history import PublishedHistory
from icl_mlflow.published.settings import ImportSettings
from icl_mlflow.tracking.models.packaging import registered_name
from icl_mlflow.tracking.runs.imported import IMPORTED
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.training.fit import Epoch
from icl_mlflow.training.problem import problem
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.workflows.given.model import log_given_model

#: Behind the name of a registered model whose epoch was chosen on shifted episodes.
_SELECTED_ON_SHIFT = "-selected_on_shift"
_LEAK = (
    "Its epoch was chosen on the shifted episodes (tau = 9) that it was then judged "
    "on, so its accuracy there flatters it; it is kept apart for that reason."
)


@dataclass(frozen=True, kw_only=True)
class Source:
    """A checkpoint that has been read and checked.

    Attributes:
        file: where it lies.
        sha256: of the whole file.
        experiment: that it belongs to.
        model_class: of the published code.
        model: in evaluation mode.
        settings: that this package would train such a model with.
    """

    file: Path
    sha256: str
    experiment: Experiment
    model_class: str
    model: Transformer
    settings: TrainSettings

    @property
    def key(self) -> tuple[str, str, int]:
        """Experiment, class and seed: what its rows in the result files say."""
        return self.experiment.name, self.model_class, self.settings.seed

    @property
    def registered_name(self) -> str:
        """``icl-A-baseline``, or a name apart for what was selected on the shift."""
        apart = _SELECTED_ON_SHIFT if self.experiment.is_selected_on_shift else ""
        return registered_name(self.settings) + apart


@dataclass(frozen=True, kw_only=True)
class ImportedModel:
    """A published model in the registry.

    Attributes:
        source: the checkpoint.
        run_id: of its run.
        test: metrics on this package's fixed test episodes, by tracked name; empty for
            a model that an earlier import has registered.
        is_new: it was imported now.
        model_uri: of its registered version; None for one that was not imported now, or
            that waits for a store which could not be reached.
    """

    source: Source
    run_id: str
    test: dict[str, float]
    is_new: bool
    model_uri: str | None = None


def read_source(file: Path, settings: ImportSettings) -> Source:
    """Read a checkpoint and check it against the experiment that it lies with.

    Raises:
        ValueError: it cannot be read or trusted, or is another experiment's.
    """
    published = read_published(file, n_context=settings.n_context)
    name = settings.published_experiment
    belongs = experiment(name) if name else experiment_of(file)
    if published.variant != belongs.variant:
        raise ValueError(
            f"{file} holds a model of variant {published.variant}, but "
            f"{belongs.name} has variant {belongs.variant}"
        )
    train_settings = _settings(published, belongs, settings.model_prefix)
    if problem(train_settings).architecture != published.model.architecture:
        raise ValueError(f"{file} holds a model of a shape that no settings describe")
    return Source(
        file=file,
        sha256=published.sha256,
        experiment=belongs,
        model_class=published.model_class,
        model=published.model,
        settings=train_settings,
    )


def _settings(
    published: Published, belongs: Experiment, model_prefix: str | None
) -> TrainSettings:
    """The paper's, but for what the checkpoint says of itself."""
    architecture = published.model.architecture
    return TrainSettings(
        task=belongs.task,
        variant=published.variant,
        seed=published.seed,
        dim=architecture.dim,
        n_context=published.n_context,
        d_model=architecture.d_model,
        n_layers=architecture.n_layers,
        n_heads=architecture.n_heads,
        positions=architecture.positions,
        model_prefix=model_prefix,
    )


def log_model(
    store: Store,
    source: Source,
    history: PublishedHistory | None,
    parent_run_id: str,
) -> ImportedModel:
    """Test a published model, log it as a run of its own, and register it.

    Args:
        store: where it goes.
        source: from `read_source`.
        history: its learning curves, where they were published.
        parent_run_id: of the import.
    """
    settings, belongs = source.settings, source.experiment
    epochs = tuple(
        Epoch(epoch=epoch, metrics=metrics)
        for epoch, metrics in (history.epochs if history else {}).items()
    )
    facts = {
        "source": "published",
        IMPORTED: source.sha256,
        "published_experiment": belongs.name,
        "published_class": source.model_class,
        # Not the hash of its settings: a suite would take it for a member of its own.
        "settings_hash": f"published-{source.sha256[:16]}",
    }
    logged = log_given_model(
        store,
        settings,
        source.model,
        run_name=f"published-{belongs.name}-seed{settings.seed}",
        registered_name=source.registered_name,
        facts=facts,
        description=_description(source),
        epochs=epochs,
        parent_run_id=parent_run_id,
    )
    return ImportedModel(
        source=source,
        run_id=logged.run_id,
        test=logged.test,
        is_new=True,
        model_uri=logged.model_uri,
    )


def _description(source: Source) -> str:
    settings, belongs = source.settings, source.experiment
    origin = (
        f"Published with [arXiv 2603.10573](https://arxiv.org/abs/2603.10573) as "
        f"`{belongs.name}`, class `{source.model_class}`, seed {settings.seed}; not "
        "trained here."
    )
    parts = [f"**{problem(settings).variant.question}**", origin]
    return "\n\n".join([*parts, _LEAK] if belongs.is_selected_on_shift else parts)
