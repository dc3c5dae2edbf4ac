"""How long does a command take that trains nothing: its start-up, above all?"""

import sys
from functools import partial
from pathlib import Path

from benchmarks.commands import command
from benchmarks.contest import Contestant, contest
from benchmarks.plan import Plan
from benchmarks.table import Table, milliseconds, spread

_DRY_RUN = ("train", "--preset", "smoke", "--dry_run")

#: Of a folder in which no run has left anything.
_SYNC = ("sync", str(Path(__file__).parent))

_COMMANDS = {
    "python -c pass": ("-c", "pass"),
    "icl-mlflow --help": ("-m", "icl_mlflow.cli.main", "--help"),
    "icl-mlflow train --help": ("-m", "icl_mlflow.cli.main", "train", "--help"),
    "icl-mlflow ablate --list": ("-m", "icl_mlflow.cli.main", "ablate", "--list"),
    "icl-mlflow sync, nothing to do": ("-m", "icl_mlflow.cli.main", *_SYNC),
    "icl-mlflow train --dry_run": ("-m", "icl_mlflow.cli.main", *_DRY_RUN),
}


def measure(plan: Plan) -> list[Table]:
    """A row a command; the first is what any command of Python takes."""
    contestants = [
        Contestant(
            name=name,
            work=partial(command, (sys.executable, *arguments)),
            pieces=1,
        )
        for name, arguments in _COMMANDS.items()
    ]
    found = contest(contestants, plan.rounds)
    rows = [
        (name, milliseconds(each.wall), spread(each.wall), milliseconds(each.cpu))
        for name, each in found.items()
    ]
    return [
        Table(
            title="Start-up of the commands",
            columns=("command", "wall ms", "(range)", "CPU ms"),
            rows=rows,
        )
    ]
