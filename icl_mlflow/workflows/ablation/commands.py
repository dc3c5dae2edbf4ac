"""The commands that repeat an ablation: in a project, a shell and Python."""

import shlex

from icl_mlflow.analysis.report.page import Command
from icl_mlflow.settings import values_of
from icl_mlflow.suite.axes import shown_axes
from icl_mlflow.suite.grid import BASELINE, shown_seeds
from icl_mlflow.suite.request import Request
from icl_mlflow.training.settings import TrainSettings

#: What each member has of its own.
_OWN = ("variant", "seed")


def commands(request: Request) -> list[Command]:
    """The same ablation for ``mlflow run``, the shell and Python."""
    usual = values_of(TrainSettings())
    values = values_of(request.settings)
    given = {
        name: value
        for name, value in values.items()
        if name not in _OWN and value not in {None, usual.get(name)}
    }
    given = {name: value for name, value in given.items() if name not in request.axes}
    several = {
        "variants": ",".join(v for v in request.variants if v != BASELINE) or BASELINE,
        "seeds": shown_seeds(request.seeds),
        **({"grid": shown_axes(request.axes)} if request.axes else {}),
    }
    words = {
        name: shlex.quote(str(value)) for name, value in {**given, **several}.items()
    }
    in_project = " ".join(f"-P {name}={text}" for name, text in words.items())
    in_shell = " ".join(f"--{name} {text}" for name, text in words.items())
    in_python = ", ".join(f"{k}={v!r}" for k, v in {**given, **several}.items())
    return [
        Command(
            "In a clone of the project",
            f"mlflow run . -e ablate --env-manager local {in_project}",
        ),
        Command("In a shell", f"icl-mlflow ablate {in_shell}"),
        Command("In Python", f"from icl_mlflow import ablate\nablate({in_python})"),
    ]
