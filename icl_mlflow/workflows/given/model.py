"""A model that was not trained here becomes a run and a registered version."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

from icl_mlflow.evaluation import EvaluationSet, bayes_accuracy
from icl_mlflow.models import Transformer
from icl_mlflow.suite.member_artifacts import log_results
from icl_mlflow.tracking.runs.lifecycle import RunLog, open_run
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.training.compute.device import compute_threads
from icl_mlflow.training.datasets import evaluation_dataset
from icl_mlflow.training.fit import Epoch, evaluation_episodes, tested
from icl_mlflow.training.problem import problem, resolved
from icl_mlflow.training.settings import TrainSettings


@dataclass(frozen=True, kw_only=True)
class LoggedModel:
    """Where a model went, and how good it is.

    Attributes:
        run_id: of its run.
        test: metrics on this package's fixed test episodes, by tracked name.
        model_uri: of its registered version; None for one that waits for a store which
            could not be reached.
        ui_link: of the run's page.
    """

    run_id: str
    test: dict[str, float]
    model_uri: str | None
    ui_link: str


def _nothing_more(_log: RunLog) -> None:
    pass


def log_given_model(
    store: Store,
    settings: TrainSettings,
    model: Transformer,
    *,
    run_name: str,
    registered_name: str,
    facts: Mapping[str, str],
    description: str,
    epochs: Sequence[Epoch] = (),
    parent_run_id: str | None = None,
    more: Callable[[RunLog], None] = _nothing_more,
) -> LoggedModel:
    """Test a model, log it as a run of its own, and register it.

    Args:
        store: where it goes.
        settings: that such a model would be trained with.
        model: in evaluation mode.
        run_name: of its run.
        registered_name: of the model.
        facts: tags of the run, the model and its version: where it is from.
        description: of the run.
        epochs: its learning curves, where they are known.
        parent_run_id: of the run that this one stands below.
        more: logs what else there is to the same run.
    """
    with compute_threads(0):
        validation, test = (_episodes(settings, s) for s in ("validation", "test"))
        fitted = tested(
            settings, model, tuple(epochs), None, validation=validation, test=test
        )
    with open_run(
        store,
        name=run_name,
        kind="train",
        params=resolved(settings),
        tags={
            "task": settings.task,
            "variant": settings.variant,
            "seed": settings.seed,
            **facts,
        },
        description=description,
        parent_run_id=parent_run_id,
    ) as log:
        log.json("settings.json", asdict(settings))
        log.metric_series([(epoch.epoch, epoch.metrics) for epoch in epochs])
        test_set = evaluation_dataset(settings, "test")
        log.dataset(test_set)
        log_results(log, fitted)
        more(log)
        registered = log.model(
            fitted.model,
            settings,
            fitted.test,
            name=registered_name,
            facts=dict(facts),
            bayes_accuracy=bayes_accuracy(test.bayes_B),
        )
        log.metrics(fitted.test, step=len(epochs), of_model=True, dataset=test_set)
        return LoggedModel(
            run_id=log.run_id,
            test=fitted.test,
            model_uri=registered.uri if registered else None,
            ui_link=log.ui_link(),
        )


def _episodes(settings: TrainSettings, stream: str) -> EvaluationSet:
    """The fixed episodes, which all models of one problem share."""
    posed = TrainSettings(
        task=settings.task,
        variant=settings.variant,
        dim=settings.dim,
        n_context=settings.n_context,
        parameters=settings.parameters,
    )
    drawn: EvaluationSet = _drawn(posed, stream)
    return drawn


@functools.lru_cache(maxsize=4)
def _drawn(settings: TrainSettings, stream: str) -> EvaluationSet:
    return evaluation_episodes(settings, problem(settings), stream)
