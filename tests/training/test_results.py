"""What a finished run says of itself, worked out by hand."""

import math

import numpy as np
import pandas as pd
import pytest
import torch

from icl_mlflow.estimators.ceilings import Ceiling, Ceilings
from icl_mlflow.training.results import MemberResult


def member(losses: list[float], risks: list[float] | None = None) -> MemberResult:
    """Four test episodes: log-odds 2, 2, -2, 0, where exact Bayes has 2, 0, 0, 0."""
    history = pd.DataFrame(
        {
            "epoch": range(len(losses)),
            "val/loss": losses,
            "val/loss_standard_error": 0.002,
            "val/excess_risk": risks or [0.1] * len(losses),
        }
    )
    return MemberResult(
        run_id="4f2a",
        variant="baseline",
        seed=0,
        history=history,
        logit_B=np.array([2.0, 2.0, -2.0, 0.0]),
        bayes_B=np.array([2.0, 0.0, 0.0, 0.0]),
        label_B=np.array([1.0, 0.0, 1.0, 0.0]),
    )


#: Where Bayes is even, log-odds l cost log cosh(l / 2).
COST = math.log(math.cosh(1.0))


def test_the_risk_of_each_episode_is_its_divergence_from_bayes() -> None:
    found = member([0.6]).risk_B
    np.testing.assert_allclose(found, [0, COST, COST, 0], atol=1e-12)


def test_the_epoch_of_taking_off_is_the_first_surely_below_ln_2() -> None:
    assert member([0.694, 0.692, 0.65, 0.55]).started == 2
    assert member([0.694, 0.692, 0.693]).started is None


def test_a_curve_that_halves_to_the_end_still_falls() -> None:
    halving = [0.4 * 0.5**epoch for epoch in range(8)]
    assert member([0.6] * 8, halving).falling == pytest.approx(1 - 0.5**3)
    assert member([0.6] * 8).falling == 0


def test_over_its_own_ceiling_a_model_may_be_better_than_its_ideal_learner() -> None:
    """Ceilings of the first two episodes: both even as shown; the learner says 1, 2."""
    half = Ceiling(accuracy=0.5, loss=math.log(2), kind="exact", why="")
    ceilings = Ceilings(
        shown=half,
        ideal=half,
        shown_B=torch.zeros(2, dtype=torch.float64),
        ideal_B=torch.tensor([2.0, 4.0], dtype=torch.float64),
    )
    found = member([0.6]).risk_over(ceilings)
    np.testing.assert_allclose(found, [0, COST - math.log(math.cosh(2))], atol=1e-12)


def test_without_a_known_ceiling_it_is_the_risk_over_bayes() -> None:
    unknown = Ceiling(accuracy=math.nan, loss=math.nan, kind="unknown", why="")
    ceilings = Ceilings(shown=unknown, ideal=unknown, shown_B=None, ideal_B=None)
    one = member([0.6])
    assert one.risk_over(ceilings) is one.risk_B
