"""What an analysis and a comparison may be asked, and how a wrong wish is answered."""

from typing import Any

import pytest

from icl_mlflow.analysis.settings import (
    AnalyzeSettings,
    CompareSettings,
    EvaluationRequest,
)


def test_models_are_found_by_a_run_or_by_their_uri() -> None:
    assert AnalyzeSettings(run_id="4f2a").source == "4f2a"
    # An MLproject gives a parameter that nobody set as an empty one.
    by_uri = AnalyzeSettings(run_id="", model="models:/icl-A-baseline/1")
    assert by_uri.source == "models:/icl-A-baseline/1"
    assert by_uri.run_id is None


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({}, "give exactly one of run_id"),
        ({"run_id": "4f2a", "model": "models:/a/1"}, "give exactly one of run_id"),
        ({"model": "icl-A-baseline"}, "model must be models:/NAME/VERSION or .*ALIAS"),
        (
            {"run_id": "4f2a", "analyses": "calibration,lens"},
            "unknown analysis 'lens'; .*choose one of: default, all, scoreboard, ",
        ),
        ({"run_id": "4f2a", "episodes": 99}, "episodes must be at least 100, not 99"),
        ({"run_id": "4f2a", "tau": -1.0}, "tau must be at least 0"),
    ],
)
def test_a_wrong_wish_is_answered_with_what_is_right(
    wrong: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message) as error:
        AnalyzeSettings(**wrong)
    assert "\n" not in str(error.value)


def test_a_run_is_not_compared_with_itself() -> None:
    with pytest.raises(ValueError, match="two different runs"):
        CompareSettings(run_1="4f2a", run_2="4f2a")


@pytest.mark.parametrize(
    "settings",
    [
        AnalyzeSettings(run_id="4f2a", episodes=700, seed=3, device="cpu", tau=9),
        CompareSettings(
            run_1="1", run_2="2", episodes=700, seed=3, device="cpu", tau=9
        ),
    ],
    ids=["analyze", "compare"],
)
def test_the_episodes_are_those_that_were_asked_for(
    settings: AnalyzeSettings | CompareSettings,
) -> None:
    assert settings.request == EvaluationRequest(700, 3, {"tau": 9.0}, "cpu")
