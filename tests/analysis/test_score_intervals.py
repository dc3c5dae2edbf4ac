"""Intervals of scores hold what they promise, against scipy and against resampling."""

import numpy as np
import pytest
import torch
from scipy.stats import binomtest
from torch import Tensor

from icl_mlflow.analysis.score_intervals import (
    METRICS,
    auc_interval,
    ece_interval,
    scored,
)
from icl_mlflow.evaluation import auc, evaluation_set, scores
from icl_mlflow.tasks import TASKS

TASK = TASKS["A"]


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def drawn(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Calibrated log-odds and the labels they speak of."""
    generator = torch.Generator().manual_seed(seed)
    logit_B = 1.5 * torch.randn(n, generator=generator, dtype=torch.float64)
    label_B = torch.rand(n, generator=generator, dtype=torch.float64)
    return logit_B, (label_B < logit_B.sigmoid()).double()


def test_the_scores_are_those_of_the_evaluation() -> None:
    truth = evaluation_set(TASK, TASK.sample(500, stream="test"))
    logit_B = truth.bayes_B + 0.3
    found, exact = scored(logit_B, truth, rng()), scores(logit_B, truth)
    assert tuple(found) == METRICS
    for name, interval in found.items():
        assert interval.mean == pytest.approx(exact[name], rel=1e-12)
        assert interval.low <= interval.high
    n_right = round(exact["accuracy"] * 500)
    wilson = binomtest(n_right, 500).proportion_ci(method="wilson")
    accuracy = found["accuracy"]
    assert (accuracy.low, accuracy.high) == pytest.approx((wilson.low, wilson.high))


def test_knowing_the_latents_is_no_risk() -> None:
    """The oracle differs from the posterior, and is better for it."""
    truth = evaluation_set(TASK, TASK.sample(5_000, stream="test"))
    honest = scored(truth.oracle_B, truth, rng(), knows_latents=True)["excess_risk"]
    assert honest.high < 0
    assert honest.mean == pytest.approx(-0.0915, abs=0.03)  # .356 - .4475 nats
    assert scored(truth.oracle_B, truth, rng())["excess_risk"].low > 0


def test_the_interval_of_an_auc_covers_it() -> None:
    exact = auc(*drawn(400_000, 0))
    intervals = [auc_interval(*drawn(200, seed)) for seed in range(1, 401)]
    covered = np.mean([one.low <= exact <= one.high for one in intervals])
    assert covered == pytest.approx(0.95, abs=3 * np.sqrt(0.95 * 0.05 / 400))


def test_an_auc_without_both_classes_or_without_errors_has_no_interval() -> None:
    score_B = torch.arange(6, dtype=torch.float64)
    for label_B in (torch.ones(6).double(), (score_B > 2).double()):
        interval = auc_interval(score_B, label_B)
        assert np.isnan([interval.low, interval.high]).all()


def test_a_calibrated_predictor_may_be_calibrated() -> None:
    """Its ECE is positive by chance; the interval takes that off again."""
    intervals = [ece_interval(*drawn(2_000, seed), rng()) for seed in range(100)]
    assert all(interval.mean > 0.01 for interval in intervals)
    assert np.median([interval.low for interval in intervals]) < 0.006


def test_a_miscalibrated_predictor_is_not() -> None:
    logit_B, label_B = drawn(20_000, 0)
    loud, exact = ece_interval(3 * logit_B, label_B, rng()), drawn(2_000_000, 1)
    truth = ece_interval(3 * exact[0], exact[1], rng()).mean
    assert loud.low < truth < loud.high
    assert loud.low > 0.1
