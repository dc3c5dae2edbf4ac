"""How long does it take until a command has said its help?"""

import sys
from functools import partial

from benchmarks.commands import command
from benchmarks.contest import Contestant, contest
from benchmarks.plan import Plan
from benchmarks.table import Table, milliseconds, spread

_COMMANDS = {
    "python -c pass": ("-c", "pass"),
    "icl-mlflow --help": ("-m", "icl_mlflow.cli.main", "--help"),
    "icl-mlflow train --help": ("-m", "icl_mlflow.cli.main", "train", "--help"),
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
            title="Help of the commands",
            columns=("command", "wall ms", "(range)", "CPU ms"),
            rows=rows,
        )
    ]
