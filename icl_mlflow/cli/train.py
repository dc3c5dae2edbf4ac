"""`icl-mlflow train`: train one model, or one a seed, and log it."""

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from icl_mlflow.cli.console import show
from icl_mlflow.cli.errors import ask_store, check_dry_run, exit_code, usage_errors
from icl_mlflow.cli.options import CONTEXT, GroupedCommand, options
from icl_mlflow.cli.progress import (
    SUITE_GOES_ON,
    epochs_progress,
    last_words,
    say_what_smoke_is,
    training_progress,
)
from icl_mlflow.suite.execution import Execution
from icl_mlflow.training.settings import PRESETS, TrainSettings
from icl_mlflow.workflows.settings import LaunchSettings, SeedSettings

if TYPE_CHECKING:
    from icl_mlflow.suite.request import Request
    from icl_mlflow.suite.training_result import TrainingResult
    from icl_mlflow.tracking.store.connection import Store


_EXAMPLE = """\b
Example:
  icl-mlflow train --task A --seeds 0,1,2
  icl-mlflow train --task B --preset smoke --dry_run
"""


@click.command(cls=GroupedCommand, context_settings=CONTEXT, epilog=_EXAMPLE)
@options(TrainSettings, SeedSettings, Execution, LaunchSettings, presets=PRESETS)
def train(
    settings: TrainSettings,
    several: SeedSettings,
    execution: Execution,
    launch: LaunchSettings,
) -> None:
    """Train a model on a task; log it, and register it."""
    if several.seeds is None:
        with usage_errors(ValueError):
            execution.check_one()
    if launch.dry_run:
        check_dry_run("train")
    else:
        ask_store()
    # Imported here, so that --help and bad input need neither torch nor mlflow.
    from icl_mlflow.suite.request import one_model, several_seeds

    with usage_errors(ValueError):
        if several.seeds is None:
            request = one_model(settings, execution)
        else:
            request = several_seeds(settings, several.seeds, execution)
    if launch.dry_run:
        from icl_mlflow.workflows.dry_run import plan_members

        show(*plan_members(request.members, execution).splitlines())
        return
    from icl_mlflow.tracking.store.connection import StoreError, connect

    with usage_errors(StoreError):
        store = connect(launch.experiment, may_resume=several.seeds is None)
    if several.seeds is None:
        _train_one(store, request)
    else:
        _train_seeds(store, request)
    say_what_smoke_is(launch.preset)


def _train_one(store: "Store", request: "Request") -> None:
    from icl_mlflow.tracking.local.claims import RunInUseError
    from icl_mlflow.tracking.runs.resume import NotResumableError
    from icl_mlflow.training.fit import NonFiniteLossError
    from icl_mlflow.workflows.train import train_one

    name = request.settings.run_name
    standing = [f"{name} had not begun; run the same command again"]
    with (
        last_words(lambda: standing[-1]),
        usage_errors(NotResumableError, RunInUseError),
        exit_code(3, NonFiniteLossError),
        training_progress(request.settings) as shown,
    ):
        listener = replace(
            shown,
            resume=lambda run_id: show(f"resumes  {run_id}"),
            stop=standing.append,
        )
        trained = train_one(store, request, listener)
    show(*summary(trained).splitlines())
    show(store.where(trained.ui_link))


def _train_seeds(store: "Store", request: "Request") -> None:
    from icl_mlflow.suite.engines.errors import EngineNotStartedError
    from icl_mlflow.suite.run_suite import MembersFailedError, MembersNotStoredError
    from icl_mlflow.workflows.train import train_seeds

    n_seeds = len(request.seeds)
    with (
        last_words(lambda: SUITE_GOES_ON),
        exit_code(1, MembersFailedError, EngineNotStartedError),
        exit_code(4, MembersNotStoredError),
        epochs_progress(request.names(request.members), f"{n_seeds} seeds") as hear,
    ):
        suite = train_seeds(store, request, hear)
    for member in suite.members:
        show(*summary(member).splitlines())
    show(f"parent   {suite.run_id}")
    show(f"compare  {suite.comparison_link}")
    show(store.where(suite.ui_link))


def summary(trained: "TrainingResult") -> str:
    """Run, model and headline figures of a finished training."""
    test = trained.test
    model = trained.model_uri or "not registered yet: it waits for `icl-mlflow sync`"
    return (
        f"run      {trained.run_id}  {trained.settings.run_name}\n"
        f"model    {model}\n"
        f"test     accuracy {test['test/accuracy']:.4f} "
        f"(exact Bayes {trained.bayes_accuracy:.4f}), "
        f"excess risk {test['test/excess_risk']:.4f} nats"
    )
