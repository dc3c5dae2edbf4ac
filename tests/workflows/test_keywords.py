"""Keywords of a call are settings, an execution or a source, and nothing is guessed."""

from dataclasses import dataclass

import pytest

from icl_mlflow.suite.execution import Execution
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.workflows.keywords import execution_of, settings_of, source_of


def test_what_is_given_wins_over_settings_and_preset() -> None:
    settings = TrainSettings(task="B", seed=3)
    assert settings_of(settings, None, {"seed": 4}) == TrainSettings(task="B", seed=4)
    assert settings_of(None, None, {}) == TrainSettings.preset("paper")
    smoke = settings_of(None, "smoke", {"lr": 0.5})
    assert smoke == TrainSettings.preset("smoke", lr=0.5)


def test_settings_and_a_preset_contradict_each_other() -> None:
    with pytest.raises(ValueError, match="give settings or a preset, not both"):
        settings_of(TrainSettings(), "smoke", {})


def test_keywords_of_an_execution_are_told_from_those_of_settings() -> None:
    execution, others = execution_of(None, {"jobs": 2, "seed": 1, "resume": "never"})
    assert execution == Execution(jobs=2, resume="never")
    assert others == {"seed": 1}
    execution, _ = execution_of(Execution(jobs=2, resume="never"), {"jobs": 3})
    assert execution == Execution(jobs=3, resume="never")


@dataclass(frozen=True)
class Result:
    run_id: str


def test_a_source_is_a_run_or_a_model() -> None:
    assert source_of(None) == {}
    assert source_of("0a1b2c") == {"run_id": "0a1b2c"}
    assert source_of(Result("0a1b2c")) == {"run_id": "0a1b2c"}
    assert source_of("models:/icl-A-baseline/1") == {
        "model": "models:/icl-A-baseline/1"
    }
