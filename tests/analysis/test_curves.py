"""Points of a curve carry their metrics, and models of one group their mean."""

import pandas as pd
import pytest
import torch

from icl_mlflow.analysis import curves
from icl_mlflow.evaluation import accuracy, excess_risk
from icl_mlflow.statistics import Interval, mean_interval
from icl_mlflow.tasks import TASKS


def test_a_point_is_judged_by_the_posterior() -> None:
    task = TASKS["A"]
    episodes = task.sample(4_000, stream="test")
    bayes_B = task.bayes_logit(episodes)
    wrong_B = -2 * bayes_B
    rows = curves.point({"n": 32}, {"Bayes": bayes_B, "model": wrong_B}, bayes_B)
    bayes, model = rows
    assert (bayes["n"], bayes["predictor"], bayes["episodes"]) == (32, "Bayes", 4_000)
    assert bayes["excess_risk"] == 0
    assert bayes["accuracy"] == pytest.approx(1 - model["accuracy"])
    counted = accuracy(bayes_B, episodes.query_y_B.double())
    assert bayes["accuracy"] == pytest.approx(counted, abs=3 * 0.5 / 4_000**0.5)
    exact = mean_interval(excess_risk(wrong_B, bayes_B).numpy(), "log")
    assert model["excess_risk_low"] == pytest.approx(exact.low)


def test_several_models_have_their_range_and_one_keeps_its_interval() -> None:
    frame = pd.DataFrame(
        {
            "model": ["a-seed0", "a-seed1", "a-seed2", "a-seed0"],
            "n": [1, 1, 1, 2],
            "accuracy": [0.6, 0.7, 0.8, 0.9],
            "accuracy_low": [0.5, 0.6, 0.7, 0.85],
            "accuracy_high": [0.7, 0.8, 0.9, 0.95],
        }
    )
    found = curves.averaged(frame, "n", "accuracy")
    assert tuple(found.loc[1]) == (0.7, 0.6, 0.8)
    assert tuple(found.loc[2]) == (0.9, 0.85, 0.95)


def test_extremes_are_named_by_their_place() -> None:
    values = {
        "excess_risk_at_0.5": 0.2,
        "excess_risk_at_3": 0.001,
        "accuracy_at_7": 5.0,
    }
    numbers = {name: Interval(value, 0.0, 9.0, 1) for name, value in values.items()}
    assert curves.extremes(numbers) == (
        "from 0.0010 nats above Bayes at 3 to 0.2000 at 0.5"
    )


def test_expected_accuracy_never_beats_bayes() -> None:
    bayes_B = torch.linspace(-3, 3, 41, dtype=torch.float64)
    rng = torch.Generator().manual_seed(0)
    other_B = torch.randn(41, generator=rng, dtype=torch.float64)
    best, other = curves.point({}, {"b": bayes_B, "o": other_B}, bayes_B)
    assert other["accuracy"] < best["accuracy"]
    expected = torch.maximum(bayes_B.sigmoid(), 1 - bayes_B.sigmoid()).mean()
    assert best["accuracy"] == pytest.approx(float(expected))
