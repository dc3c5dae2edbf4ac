"""`icl-mlflow reap`: runs that say RUNNING though their process has died."""

import datetime
import re
from typing import TYPE_CHECKING

import click

from icl_mlflow.cli.console import show
from icl_mlflow.cli.errors import ask_store_with_runs, usage_errors
from icl_mlflow.cli.options import CONTEXT

if TYPE_CHECKING:
    from icl_mlflow.tracking.runs.reap import DeadRun

_EXAMPLE = """\b
Example:
  icl-mlflow reap
  icl-mlflow reap --older_than 1h --yes
"""

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_STORAGE = 4
_DURATION = re.compile(r"(\d{1,6})([smhd])")


def duration(text: str, option: str = "older_than") -> datetime.timedelta:
    """A time such as ``5m``, given for an option.

    Raises:
        ValueError: another form.

    >>> duration("90s")
    datetime.timedelta(seconds=90)
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"{option} must be like 30s, 5m, 2h or 1d, not {text!r}")
    number, unit = match.groups()
    return datetime.timedelta(**{_UNITS[unit]: int(number)})


@click.command(context_settings=CONTEXT, epilog=_EXAMPLE)
@click.option(
    "--older_than",
    default="5m",
    help="How long a run on another machine may be silent: 30s, 5m, 2h, 1d.",
)
@click.option(
    "--untaken",
    default="1h",
    help="How long a run of `mlflow run` may wait for its process: 30s, 5m, 2h, 1d.",
)
@click.option("--yes", is_flag=True, help="Mark them KILLED; else they are listed.")
def reap(older_than: str, untaken: str, *, yes: bool) -> None:
    """List runs that say RUNNING though their process has died; mark them with --yes.

    A run of this machine is dead if its process is gone, one of another machine if its
    last sign of life is too old, and one that `mlflow run` has opened for this project
    if no process has taken it. A live run is never touched, nor are other programs'.
    """
    with usage_errors(ValueError):
        limits = duration(older_than), duration(untaken, "untaken")
    ask_store_with_runs(to_write=yes)
    # Imported here, so that --help and bad input need neither torch nor mlflow.
    from icl_mlflow.tracking.runs.running import may_be_running
    from icl_mlflow.tracking.store.uri import tracking_uri

    if not may_be_running(tracking_uri()):
        show("no dead runs")
        return
    from icl_mlflow.tracking.local.safe_read import ModelError
    from icl_mlflow.tracking.runs.reap import NotOurRunError, dead_runs, mark_killed
    from icl_mlflow.tracking.store.connection import StoreError, open_client

    with usage_errors(StoreError, ModelError):
        client = open_client()
        dead = dead_runs(client, *limits)
        denied = False
        for one in dead:
            became = ""
            try:
                if yes and mark_killed(client, one):
                    became = "marked KILLED"
            except NotOurRunError as error:
                became, denied = str(error), True
            show(_line(one, became))
    if not dead:
        show("no dead runs")
    elif not yes:
        show("nothing was changed; --yes marks them KILLED")
    if denied:
        raise click.exceptions.Exit(_STORAGE)


def _line(dead: "DeadRun", became: str) -> str:
    beat = dead.beat
    notes = [
        *([became] if became else []),
        *([f"goes on with: {dead.resume}"] if dead.resume else []),
        *(["sync delivers what it left"] if dead.has_records else []),
    ]
    told = f"; {'; '.join(notes)}" if notes else ""
    if beat is None:
        heard = dead.heard.isoformat(timespec="seconds")
        what = f"opened by `mlflow run` {heard}, and taken by no process"
    else:
        what = f"process {beat.pid} on {beat.host}, last heard of {beat.time}"
    return f"{dead.run_id}  {dead.name}: {what}{told}"
