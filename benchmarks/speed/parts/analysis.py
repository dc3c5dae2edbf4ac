"""How long does `analyze` take, which puts every question to one model?"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.speed.commands import command
from benchmarks.speed.plan import Plan
from benchmarks.speed.timing import Contestant, contest
from benchmarks.table import NONE, Table, milliseconds, spread

_MAIN = (sys.executable, "-m", "icl_mlflow.cli.main")
_MODEL = ("--model", "models:/icl-A-baseline/1")
_FEW = "100"

_DEFAULT, _MOST_CPU = "what is asked by default", "60 000 of CPU"
_ASKED = {
    _DEFAULT: (),
    "all questions": ("--analyses", "all"),
    "one question": ("--analyses", "scoreboard"),
}


def measure(plan: Plan) -> list[Table]:
    """A row for what is asked by default, all questions, and a single one.

    The last is start and end, mostly.
    """
    few = () if plan.size == "paper" else ("--episodes", _FEW)
    with _model(plan.size) as environment:
        contestants = [
            Contestant(
                name=name,
                work=partial(command, (*_MAIN, "analyze", *_MODEL, *few, *options)),
                pieces=1,
                environment=environment,
            )
            for name, options in _ASKED.items()
        ]
        found = contest(contestants, plan.rounds)
    return [
        Table(
            title="The analysis of one model",
            columns=("icl-mlflow analyze", "wall ms", "(range)", "CPU ms", "goal"),
            rows=[
                (
                    name,
                    milliseconds(each.wall),
                    spread(each.wall),
                    milliseconds(each.cpu),
                    plan.goal(_MOST_CPU) if name == _DEFAULT else NONE,
                )
                for name, each in found.items()
            ],
            note=(
                "From the command's start to its logged report, of a registered model "
                "of task A at its start (what is asked costs the same after training)."
            ),
        )
    ]


@contextmanager
def _model(size: str) -> Iterator[dict[str, str]]:
    """The environment of a store whose one registered model was never trained."""
    with TemporaryDirectory() as folder, TemporaryDirectory() as state:
        environment = {
            "MLFLOW_TRACKING_URI": f"sqlite:///{Path(folder) / 'mlflow.db'}",
            "XDG_STATE_HOME": state,
        }
        subprocess.run(
            (*_MAIN, "train", "--preset", size, "--epochs", "0"),
            check=True,
            env=os.environ | environment,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        yield environment
