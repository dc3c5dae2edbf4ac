"""`icl-mlflow ablate`: train every variant with every seed and compare them."""

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
from icl_mlflow.suite.execution import Execution
from icl_mlflow.training.settings import PRESETS, TrainSettings
from icl_mlflow.variants import VARIANTS
from icl_mlflow.workflows.settings import AblateSettings, LaunchSettings

if TYPE_CHECKING:
    from icl_mlflow.tracking.store.connection import Store
    from icl_mlflow.workflows.ablate import Suite


def _list(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:  # noqa: FBT001 click calls it
    """Print the variants and leave."""
    if not wanted:
        return
    width = max(map(len, VARIANTS))
    for name, variant in VARIANTS.working().items():
        show(f"{name:{width}}  {variant.question}")
    show("Any noise level: noisy_labels_0.25. Combinations: no_position+no_labels.")
    context.exit()


_EXAMPLE = """\b
Example:
  icl-mlflow ablate --task A --variants no_position,no_labels --seeds 0-4
  icl-mlflow ablate --task A --grid dim=4,8,16 --grid tau=0,3
  icl-mlflow ablate --list
"""


@click.command(cls=GroupedCommand, context_settings=CONTEXT, epilog=_EXAMPLE)
@click.option(
    "--list",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_list,
    help="Print the variants with their questions, and leave.",
)
@options(
    TrainSettings,
    AblateSettings,
    Execution,
    LaunchSettings,
    presets=PRESETS,
    without=("variant", "seed"),
)
def ablate(
    settings: TrainSettings,
    chosen: AblateSettings,
    execution: Execution,
    launch: LaunchSettings,
) -> None:
    """Train every variant with every seed and compare them with the baseline.

    With --grid so in every cell of a grid of settings, each beside its own exact Bayes
    predictor. Members that have finished before are reused, and those that were cut
    off go on where they were, so run it again after a crash.
    """
    if launch.dry_run:
        check_dry_run("ablate")
    else:
        ask_store()
    # Imported here, so that --help and bad input need neither torch nor mlflow.
    from icl_mlflow.suite.request import several_variants

    with usage_errors(ValueError):
        request = several_variants(
            settings, chosen.variants, chosen.seeds, execution, chosen.grid
        )
    if launch.dry_run:
        from icl_mlflow.workflows.dry_run import plan_members

        axes = tuple(request.axes)
        show(*plan_members(request.members, execution, axes).splitlines())
        return
    from icl_mlflow.tracking.store.connection import StoreError, connect
    from icl_mlflow.workflows.ablate import plan_suite

    with usage_errors(StoreError):
        store = connect(launch.experiment)
        suite = plan_suite(store, request)
    _train_and_compare(store, suite)
    say_what_smoke_is(launch.preset)


def _train_and_compare(store: "Store", suite: "Suite") -> None:
    from icl_mlflow.suite.engines.errors import EngineNotStartedError
    from icl_mlflow.suite.run_suite import MembersFailedError, MembersNotStoredError
    from icl_mlflow.workflows import ablate as launcher

    request, missing = suite.request, len(suite.missing)
    show(
        f"members  {len(request.members)}: {len(suite.finished)} finished before, "
        f"{missing} to train"
    )
    with (
        last_words(lambda: SUITE_GOES_ON),
        exit_code(1, MembersFailedError, EngineNotStartedError),
        exit_code(4, MembersNotStoredError),
        epochs_progress(request.names(suite.missing), f"{missing} members") as hear,
    ):
        result = launcher.ablate(store, suite, hear)
    for name, sentence in result.sentences.items():
        show(f"{name:22} {sentence}")
    show(f"parent   {result.run_id}")
    if result.comparison_link:
        show(f"compare  {result.comparison_link}")
        show(f"report   {result.report_link}")
    show(store.where(result.ui_link))
