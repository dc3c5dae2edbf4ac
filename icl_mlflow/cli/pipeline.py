"""`icl-mlflow pipeline`: train, ablate and analyze in one go, one link at the end."""

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from icl_mlflow.cli.console import brief, show
from icl_mlflow.cli.errors import ask_store, check_dry_run, exit_code, usage_errors
from icl_mlflow.cli.options import CONTEXT, GroupedCommand, options
from icl_mlflow.cli.progress import (
    SUITE_GOES_ON,
    epochs_progress,
    last_words,
    progress,
    say_what_smoke_is,
    training_progress,
)
from icl_mlflow.suite.execution import Execution
from icl_mlflow.training.settings import PRESETS, TrainSettings
from icl_mlflow.workflows.settings import PipelineSettings

if TYPE_CHECKING:
    from icl_mlflow.suite.request import Request
    from icl_mlflow.tracking.store.connection import Store
    from icl_mlflow.workflows.pipeline import Pipeline, Step

_EXAMPLE = """\b
Example:
  icl-mlflow pipeline
  icl-mlflow pipeline --preset efficient --variants no_position --seeds 0-4
"""


@click.command(cls=GroupedCommand, context_settings=CONTEXT, epilog=_EXAMPLE)
@options(
    TrainSettings,
    PipelineSettings,
    Execution,
    presets=PRESETS,
    without=("variant", "seed"),
)
def pipeline(
    settings: TrainSettings, chosen: PipelineSettings, execution: Execution
) -> None:
    """Train a model, ablate it, and ask it what it has learned: one run, one link.

    A step that has finished before, with the same settings and code, is reused, and a
    training that was cut off goes on, so run it again after a crash. What
    `mlflow run .` does where no entry point is named.
    """
    if chosen.dry_run:
        check_dry_run("pipeline")
    else:
        ask_store()
    # Imported here, so that --help and bad input need neither torch nor mlflow.
    from icl_mlflow.suite.request import several_variants

    with usage_errors(ValueError):
        request = several_variants(settings, chosen.variants, chosen.seeds, execution)
    if chosen.dry_run:
        from icl_mlflow.workflows.dry_run import plan_members

        show(*plan_members(request.members, execution).splitlines())
        return
    from icl_mlflow.tracking.store.connection import StoreError, connect

    with usage_errors(StoreError):
        store = connect(chosen.experiment)
    _carry_out(store, request, chosen)
    say_what_smoke_is(chosen.preset)


def _carry_out(store: "Store", request: "Request", chosen: PipelineSettings) -> None:
    from icl_mlflow.suite.engines.errors import EngineNotStartedError
    from icl_mlflow.suite.run_suite import MembersFailedError, MembersNotStoredError
    from icl_mlflow.tracking.local.claims import RunInUseError
    from icl_mlflow.tracking.runs.resume import NotResumableError
    from icl_mlflow.training.fit import NonFiniteLossError
    from icl_mlflow.workflows.analysis.measure import MeasuringFailedError
    from icl_mlflow.workflows.pipeline import open_pipeline

    with (
        last_words(lambda: SUITE_GOES_ON),
        usage_errors(NotResumableError, RunInUseError),
        exit_code(1, MembersFailedError, EngineNotStartedError, MeasuringFailedError),
        exit_code(3, NonFiniteLossError),
        exit_code(4, MembersNotStoredError),
        open_pipeline(store, request, chosen) as opened,
    ):
        _show(opened.trained_before() or _train(opened, request))
        _show(opened.ablated_before() or _ablate(opened, request))
        _show(opened.analyzed_before() or _analyze(opened))
    show(f"run      {opened.run_id}")
    show(store.where(opened.ui_link))


def _train(opened: "Pipeline", request: "Request") -> "Step":
    with training_progress(request.members[0]) as shown:
        listener = replace(shown, resume=lambda run_id: show(f"resumes  {run_id}"))
        return opened.train(listener)


def _ablate(opened: "Pipeline", request: "Request") -> "Step":
    suite = opened.suite
    missing = request.names(suite.missing)
    with epochs_progress(missing, f"{len(missing)} members") as hear:
        return opened.ablate(suite, hear)


def _analyze(opened: "Pipeline") -> "Step":
    prepared = opened.analysis
    with progress(prepared.questions.n_measurements, "analyses", speaks=True) as hear:
        return opened.analyze(prepared, hear)


def _show(step: "Step") -> None:
    reused = ", done before" if step.is_reused else ""
    show(f"{step.name:8} {step.run_id}{reused}")
    show(*(brief("         ", answer) for answer in step.answers))
