"""What is fitted on the tuning episodes is fitted right, once, and only there."""

import math

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Generator

from icl_mlflow.estimators import ESTIMATORS
from icl_mlflow.estimators.base import estimate
from icl_mlflow.estimators.reference import BAYES, PLUG_IN
from icl_mlflow.estimators.tuning import Calibrated, Tuned, calibration_slope
from icl_mlflow.estimators.vote import KernelRBF
from icl_mlflow.evaluation import ece, log_loss
from icl_mlflow.tasks import TASKS
from icl_mlflow.tasks.base import with_parameters


def test_the_slope_is_that_of_logistic_regression_through_the_origin() -> None:
    rng = Generator().manual_seed(0)
    score_B = torch.randn(500, generator=rng, dtype=torch.float64)
    label_B = (torch.rand(500, generator=rng) < (3 * score_B).sigmoid()).long()
    sklearn = LogisticRegression(C=1e12, fit_intercept=False, tol=1e-12)
    expected = sklearn.fit(score_B[:, None].numpy(), label_B.numpy()).coef_[0, 0]
    assert calibration_slope(score_B, label_B) == pytest.approx(expected, rel=1e-3)
    # Whatever the scale of the score, the calibrated answers are the same.
    tiny = calibration_slope(score_B * 1e-6, label_B) * 1e-6
    assert tiny == pytest.approx(calibration_slope(score_B, label_B))


def test_a_score_that_is_never_wrong_gets_a_finite_slope() -> None:
    score_B = torch.tensor([-1.0, 2.0, 3.0], dtype=torch.float64)
    slope = calibration_slope(score_B, torch.tensor([0, 1, 1]))
    assert 5 < slope < math.inf
    assert calibration_slope(-score_B, torch.tensor([0, 1, 1])) == pytest.approx(-slope)


def test_a_score_that_says_nothing_gets_the_slope_zero() -> None:
    assert calibration_slope(torch.zeros(3).double(), torch.tensor([0, 1, 1])) == 0.0


def test_bayes_needs_no_calibration() -> None:
    task = TASKS["A"]
    episodes = task.sample(1, 32)
    slope = float(Calibrated(BAYES)(task, episodes) / BAYES(task, episodes))
    # The slope's own standard error at 10 000 episodes is 0.02.
    assert slope == pytest.approx(1.0, abs=0.06)


def test_calibration_helps_where_a_rule_is_too_sure_of_itself() -> None:
    task = with_parameters(TASKS["A"], {"dim": 8})
    episodes = task.sample(5_000, 16, stream="test")
    raw_B = estimate(PLUG_IN, task, episodes)
    calibrated_B = estimate(Calibrated(PLUG_IN), task, episodes)
    label_B = episodes.query_y_B
    assert log_loss(calibrated_B, label_B) < log_loss(raw_B, label_B) - 0.005
    assert ece(calibrated_B, label_B) < 0.02 < ece(raw_B, label_B)
    assert torch.equal(calibrated_B.sign(), raw_B.sign())


def test_the_chosen_member_is_the_best_on_the_tuning_episodes() -> None:
    task = with_parameters(TASKS["B"], {"dim": 2})
    grid = (0.01, 0.5, 100.0)
    tuned = Tuned("Does it?", KernelRBF, grid)
    chosen = tuned.best(task, 16)
    losses = {}
    episodes = task.sample(2_000, 16, stream="tuning")
    for bandwidth in grid:
        score_B = KernelRBF(bandwidth)(task, episodes)
        slope = calibration_slope(score_B, episodes.query_y_B)
        losses[bandwidth] = log_loss(slope * score_B, episodes.query_y_B)
    assert chosen == KernelRBF(min(losses, key=losses.__getitem__))
    assert torch.equal(tuned(task, episodes), chosen(task, episodes))


def test_tuning_knows_the_task_it_is_for() -> None:
    linear, quadratic = ESTIMATORS["kernel_rbf"], ESTIMATORS["kernel_log_norm"]
    risks = {
        (rule, name): log_loss(
            Calibrated(estimator)(task, episodes), episodes.query_y_B
        )
        for rule, estimator in (("rbf", linear), ("log_norm", quadratic))
        for name, task in ((n, with_parameters(TASKS[n], {"dim": 8})) for n in TASKS)
        for episodes in [task.sample(2_000, 16, stream="test")]
    }
    assert risks["rbf", "A"] < risks["log_norm", "A"] - 0.03
    assert risks["log_norm", "B"] < risks["rbf", "B"] - 0.2
