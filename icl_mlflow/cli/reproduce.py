"""`icl-mlflow reproduce`: the paper's experiments, and its table beside ours."""

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
)
from icl_mlflow.settings import PARAMETERS
from icl_mlflow.suite.execution import Execution
from icl_mlflow.training.settings import PRESETS, TrainSettings
from icl_mlflow.workflows.settings import LaunchSettings, ReproduceSettings

if TYPE_CHECKING:
    from icl_mlflow.tracking.store.connection import Store
    from icl_mlflow.workflows.ablate import Suite

_EXAMPLE = """\b
Example:
  icl-mlflow reproduce --precision auto
  icl-mlflow reproduce --precision auto --page_only
  icl-mlflow reproduce --preset smoke --seeds 0,1
"""


@click.command(cls=GroupedCommand, context_settings=CONTEXT, epilog=_EXAMPLE)
@options(
    TrainSettings,
    ReproduceSettings,
    Execution,
    LaunchSettings,
    presets=PRESETS,
    without=("task", "variant", "seed", "positions", "also_evaluate", PARAMETERS),
)
def reproduce(
    settings: TrainSettings,
    chosen: ReproduceSettings,
    execution: Execution,
    launch: LaunchSettings,
) -> None:
    """Train the fifteen experiments of arXiv 2603.10573, and put its table beside ours.

    Members that have finished before are reused, and those that were cut off go on
    where they were, so run it again after a crash. The parent run holds the page
    reproduction.html with table, verdicts and figures.
    """
    if launch.dry_run:
        check_dry_run("reproduce")
    else:
        ask_store()
    # Imported here, so that --help and bad input need neither torch nor mlflow.
    from icl_mlflow.suite.request import papers_trainings

    with usage_errors(ValueError):
        request = papers_trainings(settings, chosen.seeds, execution)
    from icl_mlflow.tracking.store.connection import StoreError, connect
    from icl_mlflow.workflows.ablate import plan_suite
    from icl_mlflow.workflows.reproduction.plan import plan_reproduction

    if launch.dry_run:
        with usage_errors(ValueError, StoreError):
            plan = plan_reproduction(
                request, launch.experiment, page_only=chosen.page_only
            )
        show(*plan.splitlines())
        return
    with usage_errors(StoreError):
        store = connect(launch.experiment)
        suite = plan_suite(store, request)
    _carry_out(store, suite, page_only=chosen.page_only)
    say_what_smoke_is(launch.preset)


def _carry_out(store: "Store", suite: "Suite", *, page_only: bool) -> None:
    from icl_mlflow.suite.engines.errors import EngineNotStartedError
    from icl_mlflow.suite.run_suite import MembersFailedError, MembersNotStoredError
    from icl_mlflow.workflows import reproduce as launcher
    from icl_mlflow.workflows.analysis.measure import MeasuringFailedError

    n_members, n_missing = len(suite.request.members), len(suite.missing)
    rest = "missing" if page_only else "to train"
    show(
        f"members  {n_members}: {len(suite.finished)} finished before, "
        f"{n_missing} {rest}"
    )
    trained = [] if page_only else suite.missing
    with (
        last_words(lambda: SUITE_GOES_ON),
        usage_errors(launcher.NothingFinishedError),
        exit_code(1, MembersFailedError, EngineNotStartedError, MeasuringFailedError),
        exit_code(4, MembersNotStoredError),
        epochs_progress(
            suite.request.names(trained), f"{len(trained)} members"
        ) as hear,
    ):
        result = launcher.reproduce(store, suite, hear, page_only=page_only)
    for row in result.table.to_dict("records"):
        which = "" if row["epoch"] == "last epoch" else f" ({row['epoch']})"
        show(f"{row['experiment']}{which}: {row['verdict']}: {row['why']}")
    for line in result.missing:
        show(f"missing  {line}")
    show(f"parent   {result.run_id}")
    show(f"page     {store.run_link(result.run_id, launcher.PAGE)}")
    show(store.where(result.ui_link))
