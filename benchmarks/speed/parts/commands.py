"""How long does a command take that trains nothing: its start-up, above all?

Reading back what finished members have logged is left out of their look-up.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.speed.commands import command, look_up
from benchmarks.speed.plan import Plan
from benchmarks.speed.server import closed_server
from benchmarks.speed.timing import Contestant, contest
from benchmarks.table import Table, milliseconds, spread

_MAIN = (sys.executable, "-m", "icl_mlflow.cli.main")
_DRY_RUN = ("train", "--preset", "smoke", "--dry_run")

#: Of a folder in which no run has left anything.
_SYNC = ("sync", str(Path(__file__).parent))

_COMMANDS = {
    "python -c pass": (sys.executable, "-c", "pass"),
    "icl-mlflow --help": (*_MAIN, "--help"),
    "icl-mlflow train --help": (*_MAIN, "train", "--help"),
    "icl-mlflow ablate --list": (*_MAIN, "ablate", "--list"),
    "icl-mlflow sync, nothing to do": (*_MAIN, *_SYNC),
    "icl-mlflow train --dry_run": (*_MAIN, *_DRY_RUN),
}
#: Runs of the store in which finished members are looked up, and how many members.
_RUNS, _MEMBERS = {"smoke": 60}, 48
_MANY_RUNS = 1_000


def measure(plan: Plan) -> list[Table]:
    """A row a command; the first is what any command of Python takes."""
    with _stores() as (store, other, server):
        contestants = [
            *(
                Contestant(name=name, work=partial(command, arguments), pieces=1)
                for name, arguments in _COMMANDS.items()
            ),
            Contestant(
                name="icl-mlflow reap, nothing to do",
                work=partial(command, (*_MAIN, "reap")),
                pieces=1,
                environment=store,
            ),
            Contestant(
                name="icl-mlflow train, a refused login",
                work=partial(command, (*_MAIN, "train"), code=2),
                pieces=1,
                environment=server,
            ),
            Contestant(
                name=f"looking up {_MEMBERS} finished members",
                work=partial(look_up, _RUNS.get(plan.size, _MANY_RUNS), _MEMBERS),
                pieces=1,
                environment=other,
            ),
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
            note=(
                "Members are looked up in a local store of "
                f"{_RUNS.get(plan.size, _MANY_RUNS):,} runs, and not read back."
            ),
        )
    ]


@contextmanager
def _stores() -> Iterator[tuple[dict[str, str], ...]]:
    """Environments: a store with a run, an empty one, a server that refuses."""
    with (
        TemporaryDirectory() as first,
        TemporaryDirectory() as second,
        TemporaryDirectory() as state,
        closed_server() as uri,
    ):
        places = f"sqlite:///{first}/mlflow.db", f"sqlite:///{second}/mlflow.db", uri
        environments = tuple(
            {"MLFLOW_TRACKING_URI": place, "XDG_STATE_HOME": state} for place in places
        )
        environments[2]["MLFLOW_TRACKING_TOKEN"] = "refused"  # noqa: S105
        subprocess.run(
            (*_MAIN, "train", "--preset", "smoke", "--epochs", "0"),
            check=True,
            env=os.environ | environments[0],
            cwd=first,
            stdout=subprocess.DEVNULL,
        )
        yield environments
