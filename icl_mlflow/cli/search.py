"""`icl-mlflow search`: search the settings for the lowest validation excess risk."""

from typing import TYPE_CHECKING

import click

from icl_mlflow.cli.console import show, show_error
from icl_mlflow.cli.errors import ask_store, check_dry_run, usage_errors
from icl_mlflow.cli.options import CONTEXT, GroupedCommand, options
from icl_mlflow.cli.progress import last_words, say_what_smoke_is
from icl_mlflow.training.settings import PRESETS, TrainSettings
from icl_mlflow.workflows.settings import LaunchSettings, SearchSettings

if TYPE_CHECKING:
    from icl_mlflow.tracking.store.connection import Store
    from icl_mlflow.workflows.search.plan import SearchPlan
    from icl_mlflow.workflows.search.trials import Trial

_EXAMPLE = """\b
Example:
  icl-mlflow search --preset efficient --trials 50
  icl-mlflow search --task B --trials 20 --space lr=1e-4:1e-2 --space batch_size=16,64
"""

_GOES_ON = "stopped; run the same command again: the search goes on where it was"


@click.command(cls=GroupedCommand, context_settings=CONTEXT, epilog=_EXAMPLE)
@options(TrainSettings, SearchSettings, LaunchSettings, presets=PRESETS)
def search(
    settings: TrainSettings, chosen: SearchSettings, launch: LaunchSettings
) -> None:
    """Search the settings that bring a model nearest to exact Bayes (extra: search).

    One parent run, a run a trial; trials that fall behind are cut short. Judged by the
    excess risk on validation episodes. Run it again after a crash, or with more
    --trials: it goes on.
    """
    if launch.dry_run:
        check_dry_run("search")
    else:
        ask_store()
    # Imported here, so that --help and bad input need neither torch nor mlflow.
    from icl_mlflow.workflows.search.plan import plan_search
    from icl_mlflow.workflows.search.space import shown_space

    with usage_errors(ValueError):
        plan = plan_search(settings, chosen.space, chosen.trials)
    if launch.dry_run:
        show(f"trials   {plan.n_trials}", f"space    {shown_space(plan.space)}")
        show("dry run: nothing was trained, no run was created")
        return
    from icl_mlflow.tracking.store.connection import StoreError, connect

    with usage_errors(StoreError):
        store = connect(launch.experiment)
    _search(store, plan)
    say_what_smoke_is(launch.preset)


def _search(store: "Store", plan: "SearchPlan") -> None:
    from icl_mlflow.workflows.search.result import command_of
    from icl_mlflow.workflows.search.run import search as carry_out
    from icl_mlflow.workflows.search.study import SearchInUseError

    with last_words(lambda: _GOES_ON), usage_errors(SearchInUseError):
        result = carry_out(store, plan, lambda trial: _say(trial, plan.n_trials))
    show(f"best     {result.sentence}")
    if result.best is not None:
        show(f"run      {result.best_trial['run_id']}")
        show(f"model    {result.best_trial['model'] or 'not registered yet'}")
        show(f"again    {command_of(result.best)}")
    show(f"parent   {result.run_id}")
    show(store.where(result.ui_link))


def _say(trial: "Trial", n_trials: int) -> None:
    """A line on stderr for every trial that has ended."""
    from icl_mlflow.suite.axes import shown_cell

    risk = "" if trial.excess_risk is None else f", {trial.excess_risk:.4f} nats"
    why = f": {trial.why}" if trial.why else ""
    show_error(
        f"trial {trial.number} of {n_trials}: {shown_cell(trial.cell)}{risk}, "
        f"{trial.state}{why}"
    )
