"""`icl-mlflow sync`: deliver what the tracking store could not take at the time."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from icl_mlflow.cli.console import show
from icl_mlflow.cli.errors import say, usage_errors
from icl_mlflow.cli.options import CONTEXT

if TYPE_CHECKING:
    from icl_mlflow.tracking.outbox.sync import SyncResult

_EXAMPLE = """\b
Example:
  icl-mlflow sync
  icl-mlflow sync /data/project/.icl_mlflow
"""

_STORAGE = 4


@click.command(context_settings=CONTEXT, epilog=_EXAMPLE)
@click.argument(
    "folder",
    metavar="[DIR]",
    required=False,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)
def sync(folder: Path | None) -> None:
    """Deliver what runs have written to DIR and their store does not have yet.

    DIR is a folder .icl_mlflow, or one with such a folder in it: by default that of the
    working folder, or of ICL_MLFLOW_STATE. Every record arrives once, so this can be
    given again at any time, also after it was interrupted.
    """
    # Imported here, so that --help and bad input need neither torch nor mlflow.
    from icl_mlflow.tracking.local.claims import runs_folder
    from icl_mlflow.tracking.local.stack_state import forget_stacks
    from icl_mlflow.tracking.outbox.pending import (
        resumable_runs,
        state_in,
        waiting_runs,
    )
    from icl_mlflow.tracking.store.uri import StoreError

    with usage_errors(StoreError):
        usual = runs_folder()
        with state_in(folder):
            runs = waiting_runs()
            done = [one for run_id in runs if (one := _deliver(run_id, usual))]
            tidied = _tidy_up() if resumable_runs() else []
            forget_stacks()
    show(
        *(
            f"run {run_id} has finished: its checkpoints are removed"
            for run_id in tidied
        )
    )
    if not runs and not tidied:
        show("nothing waits to be delivered")
    if any(one.problem for one in done):
        raise click.exceptions.Exit(_STORAGE)


def _tidy_up() -> list[str]:
    from icl_mlflow.tracking.outbox.sync import tidy_up

    return tidy_up()


def _deliver(run_id: str, usual: Path) -> "SyncResult | None":
    """Deliver the records of one run, and say what became of them."""
    from icl_mlflow.tracking.outbox.sync import needed_variables
    from icl_mlflow.tracking.outbox.sync import sync as deliver

    done = deliver(run_id)
    if done is None:
        return None
    if done.delivered:
        show(f"run {run_id}: {done.delivered} records to {done.place}")
    if not done.has_ended:
        variables = needed_variables(done.place, usual)
        goes_on = f"; `{variables}{done.resume}` goes on with it" if done.resume else ""
        show(
            f"run {done.run_id} did not end: "
            f"`{variables}icl-mlflow reap` marks it{goes_on}"
        )
    if done.problem:
        say(f"run {run_id}: {done.problem}")
    return done
