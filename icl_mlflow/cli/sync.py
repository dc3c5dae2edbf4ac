"""`icl-mlflow sync`: deliver what the tracking store could not take at the time."""

import os
from pathlib import Path

import click

from icl_mlflow.cli.errors import say, usage_errors
from icl_mlflow.cli.options import CONTEXT

_EXAMPLE = """\b
Example:
  icl-mlflow sync
  icl-mlflow sync /data/project/.icl_mlflow
"""

_STATE = ".icl_mlflow"

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
    from icl_mlflow.tracking.state import STATE_VARIABLE
    from icl_mlflow.tracking.store import StoreError
    from icl_mlflow.tracking.sync import sync as deliver
    from icl_mlflow.tracking.sync import waiting_runs

    if folder is not None:
        inner = folder / _STATE
        os.environ[STATE_VARIABLE] = str(
            (inner if inner.is_dir() else folder).absolute()
        )
    with usage_errors(StoreError):
        runs = waiting_runs()
    if not runs:
        click.echo("nothing waits to be delivered")
        return
    problems = 0
    for run_id in runs:
        done = deliver(run_id)
        if done is None:
            continue
        if done.delivered:
            click.echo(f"run {run_id}: {done.delivered} records to {done.place}")
        if not done.has_ended:
            click.echo(
                f"run {run_id} did not end: `icl-mlflow reap` marks it, "
                "or train on with --resume"
            )
        if done.problem:
            problems += 1
            say(f"run {run_id}: {done.problem}")
    if problems:
        raise click.exceptions.Exit(_STORAGE)
