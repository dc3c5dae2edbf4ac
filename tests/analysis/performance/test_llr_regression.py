"""The analysis finds a perfect test perfect, and says where a model is not."""

from collections.abc import Callable

import pytest
import torch
from scipy import stats

from icl_mlflow.analysis.base import Subject
from icl_mlflow.analysis.performance.llr_regression import LLR_REGRESSION
from tests.analysis.concluded import concluded

StandInOf = Callable[..., Subject]


def test_a_half_scaled_bayes_has_slope_one_half(stand_in_of: StandInOf) -> None:
    half = stand_in_of(lambda task, seen: task.bayes_logit(seen) / 2, episodes=300)
    frame = LLR_REGRESSION.measure(half)
    assert set(frame["distribution"]) == {"in_distribution", "out_of_distribution"}
    numbers = LLR_REGRESSION.summarise(frame)
    assert numbers["bayes_slope"] == pytest.approx(0.5, abs=1e-12)
    assert numbers["bayes_pearson"] == pytest.approx(1, abs=1e-12)
    assert numbers["bayes_spearman"] == pytest.approx(1, abs=1e-12)
    assert numbers["llr_pearson"] < 0.99
    said = concluded(LLR_REGRESSION, frame)
    assert said.startswith("No: the logit follows exact Bayes with Pearson 1.0000")
    assert "slope 0.500" in said


def test_out_of_distribution_is_the_shifted_task(stand_in_of: StandInOf) -> None:
    """Bayes with the training prior is almost exact there; a fixed rule is not."""
    trained = stand_in_of(lambda task, seen: task.bayes_logit(seen), episodes=2_000)
    numbers = LLR_REGRESSION.summarise(LLR_REGRESSION.measure(trained))
    assert 0.9 < numbers["out_of_distribution_bayes_pearson"] < 1
    fixed = stand_in_of(lambda _, seen: seen.query_x_BD.sum(-1), episodes=2_000)
    numbers = LLR_REGRESSION.summarise(LLR_REGRESSION.measure(fixed))
    assert abs(numbers["out_of_distribution_bayes_pearson"]) < 3 / 2_000**0.5


def test_numbers_are_those_of_scipy(subject_of: Callable[..., Subject]) -> None:
    frame = LLR_REGRESSION.measure(subject_of(task="B", episodes=200))
    assert set(frame["distribution"]) == {"in_distribution"}  # B has no such shift
    numbers = LLR_REGRESSION.summarise(frame)
    for statistic in ("llr", "bayes"):
        x, y = frame[statistic], frame["logit"]
        line, r = stats.linregress(x, y), stats.pearsonr(x, y)
        expected = {
            "slope": line.slope,
            "pearson": r.statistic,
            "spearman": stats.spearmanr(x, y).statistic,
        }
        for name, value in expected.items():
            assert numbers[f"{statistic}_{name}"] == pytest.approx(value, abs=1e-9)


def test_a_shifted_subject_is_not_asked_the_same_twice(
    subject_of: Callable[..., Subject],
) -> None:
    frame = LLR_REGRESSION.measure(subject_of(shifts={"tau": 9.0}))
    assert set(frame["distribution"]) == {"shifted"}
    elsewhere = LLR_REGRESSION.measure(subject_of(shifts={"tau": 5.0}))
    assert set(elsewhere["distribution"]) == {"shifted", "out_of_distribution"}


def test_rows_are_the_episodes(subject_of: Callable[..., Subject]) -> None:
    subject = subject_of(task="B")
    frame = LLR_REGRESSION.measure(subject)
    truth = subject.truth
    assert torch.equal(torch.tensor(frame["bayes"]), truth.bayes_B)
    assert torch.equal(torch.tensor(frame["llr"]), truth.oracle_B)
    assert torch.equal(torch.tensor(frame["label"]), truth.episodes.query_y_B)
