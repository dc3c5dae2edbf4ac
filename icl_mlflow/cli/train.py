"""`icl-mlflow train`: train one model, or one a seed, and log it."""

from typing import TYPE_CHECKING

import click

from icl_mlflow.cli.console import show
from icl_mlflow.cli.errors import check_dry_run, exit_code, usage_errors
from icl_mlflow.cli.options import CONTEXT, options
from icl_mlflow.cli.progress import (
    SUITE_GOES_ON,
    EpochLines,
    announce,
    epochs_progress,
    last_words,
    progress,
    say_what_smoke_is,
)
from icl_mlflow.cli.store import ask_store
from icl_mlflow.launch.settings import LaunchSettings, SeedSettings
from icl_mlflow.suite import parse_seeds
from icl_mlflow.training.settings import PRESETS, TrainSettings

if TYPE_CHECKING:
    from icl_mlflow.launch.trained import Trained
    from icl_mlflow.tracking.store import Store


_EXAMPLE = """\b
Example:
  icl-mlflow train --task A --seeds 0,1,2
  icl-mlflow train --task B --preset smoke --dry_run
"""


@click.command(context_settings=CONTEXT, epilog=_EXAMPLE)
@options(TrainSettings, SeedSettings, LaunchSettings, presets=PRESETS)
def train(
    settings: TrainSettings, several: SeedSettings, launch: LaunchSettings
) -> None:
    """Train a model on a task; log it, and register it."""
    if several.seeds is None and launch.engine != "auto":
        raise click.UsageError("engine is for several models: give seeds, such as 0-9")
    if launch.dry_run:
        check_dry_run("train")
    else:
        ask_store()
    # Imported here, so that --help and bad input need neither torch nor mlflow.
    from icl_mlflow.launch.engine import check_engine
    from icl_mlflow.launch.ready import check_ready

    with usage_errors(ValueError):
        check_ready(settings)
        check_engine(launch.engine, launch.ray_address)
        resume = launch.resume if several.seeds is None else launch.resume_members
    if launch.dry_run:
        from icl_mlflow.launch.plan import plan

        show(*plan(settings, several, launch).splitlines())
        return
    from icl_mlflow.tracking.store import StoreError, connect

    with usage_errors(StoreError):
        store = connect(launch.experiment, may_resume=several.seeds is None)
    if several.seeds is None:
        _train_one(store, settings, resume)
    else:
        seeds = parse_seeds(several.seeds)
        _train_seeds(store, settings, seeds, launch, resume)
    say_what_smoke_is(launch.preset)


def _train_one(store: "Store", settings: TrainSettings, resume: str) -> None:
    from icl_mlflow.launch.member import train_member
    from icl_mlflow.tracking.resume import NotResumableError
    from icl_mlflow.tracking.state import RunInUseError
    from icl_mlflow.training.fit import NonFiniteLossError
    from icl_mlflow.training.precision import warn_if_slow

    warn_if_slow(settings)
    standing = [f"{settings.run_name} had not begun; run the same command again"]
    with (
        last_words(lambda: standing[-1]),
        usage_errors(NotResumableError, RunInUseError),
        exit_code(3, NonFiniteLossError),
        progress(settings.total_steps, settings.run_name) as advance,
    ):
        lines = EpochLines(settings)
        trained = train_member(
            store,
            settings,
            resume=resume,
            on_resume=lambda run_id: show(f"resumes  {run_id}"),
            on_start=lambda: announce(settings, settings.run_name),
            on_step=advance,
            on_epoch=lambda epoch: lines(settings.run_name, epoch),
            on_stop=standing.append,
        )
    show(*summary(trained).splitlines())
    show(store.where(trained.ui_link))


def _train_seeds(
    store: "Store",
    settings: TrainSettings,
    seeds: tuple[int, ...],
    launch: LaunchSettings,
    resume: str,
) -> None:
    from icl_mlflow.launch.engine_errors import EngineNotStartedError
    from icl_mlflow.launch.members import MembersFailedError, MembersNotStoredError
    from icl_mlflow.launch.train import train_seeds

    with (
        last_words(lambda: SUITE_GOES_ON),
        exit_code(1, MembersFailedError, EngineNotStartedError),
        exit_code(4, MembersNotStoredError),
        epochs_progress(settings, len(seeds), f"{len(seeds)} seeds") as hear,
    ):
        suite = train_seeds(
            store,
            settings,
            seeds,
            jobs=launch.jobs,
            engine=launch.engine,
            ray_address=launch.ray_address,
            resume=resume,
            on_epoch=hear,
        )
    for member in suite.members:
        show(*summary(member).splitlines())
    show(f"parent   {suite.run_id}")
    show(store.where(suite.ui_link))


def summary(trained: "Trained") -> str:
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
