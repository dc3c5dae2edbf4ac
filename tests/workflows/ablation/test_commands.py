"""An ablation's report says how to repeat it, in a form that is understood."""

import shlex

import click

from icl_mlflow.cli.ablate import ablate
from icl_mlflow.suite.execution import Execution
from icl_mlflow.suite.request import several_variants
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.workflows.ablation.commands import commands


def test_the_shell_command_asks_for_the_same_suite() -> None:
    settings = TrainSettings(task="A", tau=4, epochs=3)
    request = several_variants(settings, "no_labels", (0, 1, 2), Execution())
    project, shell, python = commands(request)
    words = shlex.split(shell.text)
    assert words[:2] == ["icl-mlflow", "ablate"]
    with click.Context(ablate) as context:
        parser = ablate.make_parser(context)
        given, rest, _ = parser.parse_args(words[2:])
    assert rest == []
    assert given == {
        "tau": "4.0",
        "epochs": "3",
        "variants": "no_labels",
        "seeds": "0,1,2",
    }
    for name, value in given.items():
        assert f"-P {name}={value}" in project.text
    assert (
        "ablate(epochs=3, tau=4.0, variants='no_labels', seeds='0,1,2')" in python.text
    )


def test_a_grid_is_repeated_as_one_text() -> None:
    settings = TrainSettings(task="A", epochs=3)
    grid = {"dim": (4, 8), "tau": (0, 3)}
    request = several_variants(settings, "default", (0,), Execution(), grid)
    project, shell, python = commands(request)
    assert "-P grid='dim=4,8;tau=0,3'" in project.text
    assert "--grid 'dim=4,8;tau=0,3'" in shell.text
    assert "grid='dim=4,8;tau=0,3'" in python.text
