"""`icl-mlflow diagram`: does a model memorise its pool of tasks, or generalise?"""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from icl_mlflow.cli.console import folded, show
from icl_mlflow.cli.errors import ask_store, check_dry_run, exit_code, usage_errors
from icl_mlflow.cli.options import CONTEXT, GroupedCommand, options
from icl_mlflow.cli.progress import (
    SUITE_GOES_ON,
    epochs_progress,
    last_words,
    progress,
    say_what_smoke_is,
)
from icl_mlflow.suite.execution import Execution
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.workflows.diagram.settings import DIAGRAM_PRESETS, DiagramSettings

if TYPE_CHECKING:
    from icl_mlflow.tracking.store.connection import Store
    from icl_mlflow.workflows.diagram.plan import DiagramPlan
    from icl_mlflow.workflows.diagram.run import Diagram

_EXAMPLE = """\b
Example:
  icl-mlflow diagram --pools 4,64,1024 --seeds 0,1,2
  icl-mlflow diagram --device cuda --dry_run
"""


@click.command(cls=GroupedCommand, context_settings=CONTEXT, epilog=_EXAMPLE)
@options(
    TrainSettings,
    DiagramSettings,
    Execution,
    presets=DIAGRAM_PRESETS,
    without=("variant", "seed"),
)
def diagram(
    settings: TrainSettings, chosen: DiagramSettings, execution: Execution
) -> None:
    """Train a model a pool and seed, and tell where each memorises or generalises.

    Each has the distances to exact Bayes under its pool and under the prior along
    training. Members that have finished before are reused: run it again after a crash.
    """
    if chosen.dry_run:
        check_dry_run("diagram")
    else:
        ask_store()
    # Imported here, so that --help and bad input need neither torch nor mlflow.
    from icl_mlflow.workflows.diagram.plan import plan_diagram

    with usage_errors(ValueError):
        plan = plan_diagram(
            settings, chosen.pools, chosen.seeds, execution, chosen.episodes
        )
    if chosen.dry_run:
        from icl_mlflow.workflows.dry_run import plan_members

        request = plan.request
        axes = tuple(request.axes)
        show(*plan_members(request.members, execution, axes).splitlines())
        return
    from icl_mlflow.tracking.store.connection import StoreError, connect

    with usage_errors(StoreError):
        store = connect(chosen.experiment)
    found = _carry_out(store, plan)
    for claim in found.claims:
        told = f"arXiv {claim.paper}: {claim.statement}; {claim.found}"
        show(*folded(f"{claim.verdict:14}  ", told))
    if chosen.page and found.page:
        from icl_mlflow.workflows.diagram.run import title_of, write_page

        write_page(found, Path(chosen.page), title_of(plan.request.settings))
        show(f"page     {chosen.page}")
    show(f"parent   {found.run_id}")
    show(store.where(found.ui_link))
    say_what_smoke_is(chosen.preset)


def _carry_out(store: "Store", plan: "DiagramPlan") -> "Diagram":
    from icl_mlflow.suite.engines.errors import EngineNotStartedError
    from icl_mlflow.suite.run_suite import MembersFailedError, MembersNotStoredError
    from icl_mlflow.workflows.diagram import run

    suite = run.plan_members(store, plan)
    members, missing = plan.request.members, suite.missing
    show(
        f"members  {len(members)}: {len(suite.finished)} finished before, "
        f"{len(missing)} to train"
    )
    with (
        last_words(lambda: SUITE_GOES_ON),
        exit_code(1, MembersFailedError, EngineNotStartedError),
        exit_code(4, MembersNotStoredError),
        epochs_progress(plan.request.names(missing), f"{len(missing)} members") as hear,
        progress(len(members), "members asked") as advance,
    ):
        return run.diagram(store, plan, suite, hear, advance)
