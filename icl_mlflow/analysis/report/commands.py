"""The commands that repeat an analysis: in a project, a shell and Python."""

import shlex
from dataclasses import fields

from icl_mlflow.analysis.report.page import Command
from icl_mlflow.analysis.settings import AnalyzeSettings
from icl_mlflow.settings import values_of


def commands(settings: AnalyzeSettings) -> list[Command]:
    """The same analysis for ``mlflow run``, the shell and Python.

    >>> for command in commands(AnalyzeSettings(run_id="4f2a", tau=9)):
    ...     print(command.text)
    mlflow run . -e analyze --env-manager local -P run_id=4f2a -P tau=9.0
    icl-mlflow analyze --run_id 4f2a --tau 9.0
    from icl_mlflow import analyze
    analyze(run_id='4f2a', tau=9.0)
    """
    usual = {field.name: field.default for field in fields(settings)}
    given = {
        name: value
        for name, value in values_of(settings).items()
        if value != usual.get(name)
    }
    texts = {name: shlex.quote(str(value)) for name, value in given.items()}
    through_mlflow = " ".join(f"-P {name}={text}" for name, text in texts.items())
    through_shell = " ".join(f"--{name} {text}" for name, text in texts.items())
    through_python = ", ".join(f"{name}={value!r}" for name, value in given.items())
    return [
        Command(
            "In a clone of the project",
            f"mlflow run . -e analyze --env-manager local {through_mlflow}",
        ),
        Command("In a shell", f"icl-mlflow analyze {through_shell}"),
        Command(
            "In Python",
            f"from icl_mlflow import analyze\nanalyze({through_python})",
        ),
    ]
