"""Findings become a sentence: a number with what it rests on, and a word."""

import math

import pandas as pd
import pytest

from icl_mlflow.analysis.findings import Conclusion, Findings, all_of, sentence
from icl_mlflow.statistics import Interval

NAN = math.nan


def found(
    low: float, high: float, *, n: int = 1, mean: float = 0.019, guesses: bool = False
) -> Findings:
    return Findings(
        numbers={"risk": Interval(mean, low, high, n)},
        frame=pd.DataFrame(),
        episodes=5_000,
        guesses=guesses,
    )


def test_a_number_is_told_with_its_interval_and_what_that_rests_on() -> None:
    one = found(0.0103, 0.0341)
    assert one.phrase("risk", "nats") == (
        "0.0190 nats (95 %: 0.0103 to 0.0341, 5,000 episodes)"
    )
    several = found(0.0103, 0.0341, n=3)
    assert several.phrase("risk", "nats") == "0.0190 nats (3 seeds: 0.0103 to 0.0341)"
    assert several.phrase("risk", digits=2) == "0.02 (3 seeds: 0.01 to 0.03)"


def test_what_has_no_interval_or_no_value_says_so() -> None:
    assert found(NAN, NAN).phrase("risk") == "0.0190"
    assert found(NAN, NAN, mean=NAN).phrase("risk", "nats") == "undefined"


@pytest.mark.parametrize(
    ("low", "high", "is_below"),
    [
        (0.01, 0.04, True),
        (0.05, 0.06, False),
        (0.04, 0.06, None),
        (0.04, 0.05, None),
        (0.06, 0.01, None),  # ends in either order
        (NAN, 0.01, None),
    ],
)
def test_below_a_bar_is_the_whole_interval(
    low: float, high: float, is_below: bool | None
) -> None:
    assert found(low, high).below("risk", 0.05) is is_below


def test_the_answer_is_yes_no_or_that_it_cannot_be_told() -> None:
    here = found(0.01, 0.04)
    said = [sentence(here, Conclusion(a, "by 1 nat")) for a in (True, False, None)]
    assert said == ["Yes: by 1 nat.", "No: by 1 nat.", "Cannot be told: by 1 nat."]


def test_of_a_model_that_guesses_nothing_can_be_told() -> None:
    said = sentence(found(0.01, 0.04, guesses=True), Conclusion(True, "by 1 nat"))
    assert said.startswith("Cannot be told: no better than guessing")
    assert said.endswith("; by 1 nat.")


def test_one_no_decides_and_one_doubt_leaves_it_open() -> None:
    assert all_of(True, True) is True
    assert all_of(True, None) is None
    assert all_of(None, False) is False


def test_numbers_are_found_by_name() -> None:
    here = found(0.01, 0.04)
    assert here["risk"] == 0.019
    assert "risk" in here
    assert "loss" not in here
