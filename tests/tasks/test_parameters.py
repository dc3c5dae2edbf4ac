"""A task's parameters are declared in its file, and given to settings by name."""

import subprocess
import sys
from dataclasses import dataclass, fields, replace
from typing import Any

import pytest

from icl_mlflow.analysis.settings import AnalyzeSettings, CompareSettings
from icl_mlflow.cli.options import declarations
from icl_mlflow.settings import setting, task_parameters, values_of
from icl_mlflow.tasks import TASKS
from icl_mlflow.tasks.parameters import _read, declared, defaults, takes_task_parameters
from icl_mlflow.training.problem import problem
from icl_mlflow.training.settings import TrainSettings


@pytest.mark.parametrize("name", TASKS.working())
def test_the_declarations_are_read_off_the_source_and_are_the_fields(name: str) -> None:
    module, _, attribute = TASKS.place(name).partition(":")
    read = _read(module, attribute)
    assert read is not None, "declare parameters by literals alone"
    own = {field.name: field for field in fields(TASKS[name])}
    assert list(read) == list(own)
    for parameter, field in read.items():
        assert field.default == own[parameter].default
        assert field.type == own[parameter].type
        assert field.metadata == own[parameter].metadata
    assert set(declared(name)) == set(own) - {"dim"}


def test_help_lists_the_parameters_of_all_tasks_without_torch() -> None:
    program = (
        "import sys\n"
        "from icl_mlflow.cli.train import train\n"
        "from icl_mlflow.cli.ablate import ablate\n"
        "from icl_mlflow.cli.questions.analyze import analyze\n"
        "from icl_mlflow.cli.questions.compare import compare\n"
        "for command in (train, ablate, analyze, compare):\n"
        "    names = {option.name for option in command.params}\n"
        "    assert {'tau', 'separation', 'sigma_min', 'sigma_max'} <= names\n"
        "print(sorted({'torch', 'mlflow', 'scipy'} & set(sys.modules)))\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"


def test_parameters_are_given_by_name() -> None:
    settings = TrainSettings(task="A", tau=9)
    assert settings.parameters == {"tau": 9.0}
    assert settings.task_parameters == {**defaults("A"), "tau": 9.0}
    assert settings == TrainSettings(parameters={"tau": 9.0})
    assert replace(settings, tau=3.0, seed=1) == TrainSettings(tau=3, seed=1)
    assert replace(settings, tau=None) == TrainSettings()
    assert problem(settings).task == replace(TASKS["A"], tau=9.0)
    assert TrainSettings.preset("smoke", task="B", sigma_max=2).parameters == {
        "sigma_max": 2.0
    }


def test_what_is_stored_has_one_level_and_is_read_back() -> None:
    settings = TrainSettings(task="B", sigma_min=1)
    stored = values_of(settings)
    assert stored["sigma_min"] == 1.0
    assert "parameters" not in stored
    assert TrainSettings(**stored) == settings
    # Earlier versions wrote the parameters of all tasks, None where not given.
    assert TrainSettings(**{"tau": None, "separation": None, **stored}) == settings


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"sigma_min": 1.0}, "task A has no sigma_min; its parameters are: dim, sepa"),
        ({"task": "B", "tau": 3}, "task B has no tau; its parameters are: dim, sigma"),
        ({"tau": "9"}, "tau must be a number, not '9'"),
        ({"tau": -1}, r"tau must be at least 0, not -1\.0"),
        ({"taw": 9}, r"unknown setting 'taw'; did you mean tau\b.*\bsigma_max"),
        ({"epoch": 9}, r"unknown setting 'epoch'; did you mean epochs\?"),
    ],
)
def test_a_wrong_parameter_is_answered_with_the_right_ones(
    wrong: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        TrainSettings(**wrong)
    assert "\n" not in str(caught.value)


@takes_task_parameters
@dataclass(frozen=True, kw_only=True)
class Taken:
    tau: float = setting(0.0, "Another thing of that name.")
    parameters: dict[str, float] = task_parameters("as it is")


def test_a_parameter_named_as_another_option_is_said_to_have_none(
    caplog: pytest.LogCaptureFixture,
) -> None:
    (found,) = declarations([Taken])
    assert [field.name for field in found].count("tau") == 1
    assert "parameter tau of task A and task E cannot be given: anoth" in caplog.text


def test_an_analysis_takes_the_parameters_of_any_task() -> None:
    assert AnalyzeSettings(run_id="4f2a", tau=9).request.shifts == {"tau": 9.0}
    compared = CompareSettings(run_1="1", run_2="2", sigma_max=6)
    assert compared.request.shifts == {"sigma_max": 6.0}
    with pytest.raises(ValueError, match=r"sigma_max must be above 0, not 0\.0"):
        AnalyzeSettings(run_id="4f2a", sigma_max=0)
    with pytest.raises(ValueError, match="unknown setting 'taw'; did you mean tau"):
        AnalyzeSettings(run_id="4f2a", taw=9)
