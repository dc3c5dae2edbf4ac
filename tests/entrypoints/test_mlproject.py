"""MLproject, the click options, the settings and conda.yaml never drift apart."""

import importlib
import re
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from icl_mlflow.tracking.runs import projects

ROOT = Path(__file__).parents[2]
ENTRY_POINTS: dict[str, Any] = yaml.safe_load((ROOT / "MLproject").read_text())[
    "entry_points"
]


def command_of(entry_point: str) -> click.Command:
    """The click command that an entry point's module hands to the console script."""
    called = re.match(r"python -m (\S+)", ENTRY_POINTS[entry_point]["command"])
    assert called is not None
    module = importlib.import_module(called[1])
    commands = [v for v in vars(module).values() if isinstance(v, click.Command)]
    assert len(commands) == 1
    return commands[0]


@pytest.mark.parametrize("name", ENTRY_POINTS)
def test_declared_parameters_are_options_with_the_same_defaults(name: str) -> None:
    options = {option.name: option for option in command_of(name).params}
    for parameter, declared in ENTRY_POINTS[name]["parameters"].items():
        assert parameter in options
        if isinstance(declared, dict) and "default" in declared:
            default = options[parameter].default
            assert str(declared["default"]) == ("" if default is None else str(default))


@pytest.mark.parametrize("name", ENTRY_POINTS)
def test_every_declared_parameter_reaches_the_command(name: str) -> None:
    entry = ENTRY_POINTS[name]
    for parameter in command_of(name).params:
        if parameter.name in entry["parameters"]:
            option = isinstance(parameter, click.Option)
            spelled = f"--{parameter.name} " if option else " "
            assert f"{spelled}{{{parameter.name}}}" in entry["command"]


def test_reap_knows_what_the_entry_points_declare() -> None:
    declared = {name: set(entry["parameters"]) for name, entry in ENTRY_POINTS.items()}
    assert {name: set(keys) for name, keys in projects.ENTRY_POINTS.items()} == declared


def test_the_entry_points_are_there() -> None:
    assert {"main", "train", "ablate", "analyze"} <= set(ENTRY_POINTS)


def test_conda_yaml_lists_what_pyproject_lists() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    conda = yaml.safe_load((ROOT / "conda.yaml").read_text())
    (pip,) = [d["pip"] for d in conda["dependencies"] if isinstance(d, dict)]
    assert sorted(pip) == sorted(project["dependencies"])
    assert f"python{project['requires-python']}" in conda["dependencies"]
