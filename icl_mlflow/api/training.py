"""`train` as a function."""

from dataclasses import replace
from typing import Any, overload

from icl_mlflow.api.listening import OnEpoch, heard_epochs, nothing
from icl_mlflow.cli.progress import training_progress
from icl_mlflow.suite.execution import Execution
from icl_mlflow.suite.grid import Seeds
from icl_mlflow.suite.request import (
    Request,
    one_model,
    several_seeds,
)
from icl_mlflow.suite.training_result import SeedsResult, TrainingResult
from icl_mlflow.tracking.store.connection import connect
from icl_mlflow.tracking.store.quiet import quiet_mlflow
from icl_mlflow.training.fit import Epoch
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.workflows.keywords import execution_of, settings_of
from icl_mlflow.workflows.train import Listener, train_one, train_seeds


@overload
def train(
    settings: TrainSettings | None = ...,
    *,
    seeds: None = ...,
    preset: str | None = ...,
    experiment: str | None = ...,
    execution: Execution | None = ...,
    on_epoch: OnEpoch = ...,
    quiet: bool = ...,
    **given: Any,
) -> TrainingResult: ...
@overload
def train(
    settings: TrainSettings | None = ...,
    *,
    seeds: Seeds,
    preset: str | None = ...,
    experiment: str | None = ...,
    execution: Execution | None = ...,
    on_epoch: OnEpoch = ...,
    quiet: bool = ...,
    **given: Any,
) -> SeedsResult: ...
@quiet_mlflow()
def train(
    settings: TrainSettings | None = None,
    *,
    seeds: Seeds | None = None,
    preset: str | None = None,
    experiment: str | None = None,
    execution: Execution | None = None,
    on_epoch: OnEpoch = nothing,
    quiet: bool = False,
    **given: Any,
) -> TrainingResult | SeedsResult:
    """Train one model, or with ``seeds`` one a seed, and log it: ``icl-mlflow train``.

    Args:
        settings: what to train; keywords beside it win.
        seeds: of several models below one parent run, such as ``range(3)``.
        preset: in place of settings: ``paper`` (as without it), ``efficient`` or
            ``smoke``; keywords beside it win.
        experiment: MLflow's experiment; MLFLOW_EXPERIMENT_NAME or ``Default`` if not
            given.
        execution: by what several models are trained, and what goes on; or its parts
            as keywords: ``engine``, ``jobs``, ``ray_address``, ``resume``.
        on_epoch: called with the name and every epoch of every model.
        quiet: show no progress.
        given: any setting, parameter of the task or part of the execution.

    Raises:
        ValueError: settings that contradict each other, an engine that is not here, or
            a run that cannot be resumed.
        StoreError: the tracking store cannot be used.
        NonFiniteLossError: the training of one model diverged.
        MembersFailedError: some of several models did not finish.

    Example:
        ``train(task="B", preset="smoke", sigma_max=4).test["test/excess_risk"]``
    """
    execution, given = execution_of(execution, given)
    settings = settings_of(settings, preset, given)
    if seeds is None:
        request = one_model(settings, execution)
        return _train_one(request, experiment, on_epoch, quiet=quiet)
    request = several_seeds(settings, seeds, execution)
    store = connect(experiment)
    label = f"{len(request.seeds)} seeds"
    with heard_epochs(request, request.members, label, on_epoch, quiet=quiet) as hear:
        return train_seeds(store, request, hear)


def _train_one(
    request: Request, experiment: str | None, on_epoch: OnEpoch, *, quiet: bool
) -> TrainingResult:
    store = connect(experiment, may_resume=True)
    if quiet:
        return train_one(store, request, Listener(epoch=on_epoch))
    with training_progress(request.settings) as shown:

        def hear(name: str, epoch: Epoch) -> None:
            shown.epoch(name, epoch)
            on_epoch(name, epoch)

        return train_one(store, request, replace(shown, epoch=hear))
