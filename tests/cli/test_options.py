"""Settings classes are options: named, helped, checked and completed as declared."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from icl_mlflow.cli.options import CONTEXT, declarations, options
from icl_mlflow.cli.train import train
from icl_mlflow.settings import check, required, setting
from icl_mlflow.tasks import TASKS
from icl_mlflow.tasks.parameters import declared_by_any
from icl_mlflow.training.settings import TrainSettings


@dataclass(frozen=True, kw_only=True)
class Size:
    run: str = required("The run.")
    n_context: int = setting(8, "Points of the context.", minimum=1)
    quick: bool = setting(default=False, text="Be quick.")

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, kw_only=True)
class Kind:
    preset: str = setting("paper", "Defaults.", choices=lambda: ("paper", "smoke"))
    lr: float | None = setting(None, "Learning rate.")

    def __post_init__(self) -> None:
        check(self)


PRESETS = {"paper": {}, "smoke": {"n_context": 4, "lr": 0.5}}


@click.command(context_settings=CONTEXT)
@options(Size, Kind, presets=PRESETS)
def command(size: Size, kind: Kind) -> None:
    """Say what was built."""
    click.echo(f"{size} {kind}")


def called(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments)


def built(*arguments: str) -> str:
    result = called(*arguments)
    assert result.exit_code == 0, result.output
    return result.output.strip()


def test_a_command_gets_the_settings_that_were_given() -> None:
    assert built("0a1b") == f"{Size(run='0a1b')} {Kind()}"
    given = built("0a1b", "--n_context", "3", "--quick", "--lr", "1e-3")
    assert given == f"{Size(run='0a1b', n_context=3, quick=True)} {Kind(lr=0.001)}"


def test_a_hyphen_is_forgiven_and_a_switch_takes_a_value() -> None:
    size = Size(run="x", n_context=3)
    assert built("x", "--n-context", "3", "--quick", "false") == f"{size} {Kind()}"


@pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
def test_an_option_wins_over_the_preset_wherever_it_stands(*, first: bool) -> None:
    parts = [["--preset", "smoke"], ["--n_context", "3"]]
    words = [word for part in (parts if first else parts[::-1]) for word in part]
    kind = Kind(preset="smoke", lr=0.5)
    assert built("x", *words) == f"{Size(run='x', n_context=3)} {kind}"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Missing argument 'RUN'"),
        (["x", "--n_context", "0"], "n_context must be at least 1, not 0"),
        (["x", "--n_context", "many"], "'many' is not a valid integer"),
        (["x", "--preset", "big"], "choose one of: paper, smoke"),
        (["x", "--n_contxt", "3"], "No such option"),
    ],
)
def test_what_is_wrong_is_bad_input(arguments: list[str], said: str) -> None:
    result = called(*arguments)
    assert result.exit_code == 2
    assert said in result.output


def test_help_shows_texts_defaults_and_choices() -> None:
    shown = " ".join(called("--help").output.split())
    assert "Points of the context. [default: 8]" in shown
    assert "--preset [paper|smoke]" in shown
    assert "Learning rate. --" in shown  # no default, and none is shown


def test_help_lists_options_below_the_title_of_their_group() -> None:
    shown = CliRunner().invoke(train, ["--help"]).output
    titles = ["Task:", "Model:", "Training:", "Run:", "Options:"]
    places = [shown.index(f"\n{title}\n") for title in titles]
    assert places == sorted(places)
    for option, title in {
        "--tau": "Task:",
        "--d_model": "Model:",
        "--layer_init": "Model:",
        "--lr": "Training:",
        "--seed": "Run:",
        "--dry_run": "Run:",
        "--help": "Options:",
    }.items():
        before = shown[: shown.index(f"\n  {option} ") + 1]
        assert max(titles, key=lambda one: before.rfind(f"\n{one}\n")) == title


def test_a_command_without_groups_lists_options_as_click_does() -> None:
    shown = called("--help").output
    assert shown.count("\nOptions:\n") == 1
    assert "Task:" not in shown


def test_a_field_that_the_command_fills_in_has_no_option() -> None:
    (fields,) = declarations([Size], without=["quick"])
    assert [field.name for field in fields] == ["run", "n_context"]


def test_every_parameter_of_a_task_is_an_option_in_the_words_of_its_tasks() -> None:
    (fields,) = declarations([TrainSettings])
    helps = {field.name: field.metadata["help"] for field in fields}
    assert declared_by_any().keys() <= helps.keys()
    assert set(declared_by_any()["tau"]) <= set(TASKS)
    assert helps["tau"].startswith("Task A: ")


def test_the_shell_completes_names() -> None:
    environment = {
        **os.environ,
        "_ICL_MLFLOW_COMPLETE": "bash_complete",
        "COMP_WORDS": "icl-mlflow train --task ",
        "COMP_CWORD": "3",
    }
    script = Path(sys.executable).with_name("icl-mlflow")
    result = subprocess.run(
        [str(script)], capture_output=True, text=True, env=environment, check=False
    )
    assert result.stdout.split() == [f"plain,{name}" for name in "ABCDEF"]
