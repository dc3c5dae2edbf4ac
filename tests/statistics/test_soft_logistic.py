"""The convex fit of log-odds, beside a minimiser of another kind."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit

from icl_mlflow.statistics import soft_logistic


def loss(solution: np.ndarray, features: np.ndarray, logits: np.ndarray) -> float:
    logit = features @ solution[1:] + solution[0]
    return float((np.logaddexp(0, logit) - expit(logits) * logit).mean())


def test_it_is_where_a_general_minimiser_ends() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(300, 4)) * [1.0, 5.0, 0.2, 1.0] + 2
    logits = 3 * np.tanh(features[:, 0]) + features[:, 1] + rng.normal(size=300)
    found = soft_logistic(features, logits)
    expected = minimize(loss, np.zeros(5), args=(features, logits), method="BFGS")
    ours = np.array([found.bias, *found.weight])
    assert loss(ours, features, logits) <= expected.fun + 1e-9
    np.testing.assert_allclose(ours, expected.x, atol=1e-3)


def test_features_that_repeat_each_other_leave_no_gap() -> None:
    rng = np.random.default_rng(1)
    features = rng.normal(size=(200, 3))
    logits = features @ [8.0, -2.0, 0.0] - 1
    doubled = np.column_stack([features, features[:, 0], np.ones(200)])
    found = soft_logistic(doubled, logits).logit(doubled)
    np.testing.assert_allclose(found, logits, atol=1e-2)


def test_features_that_never_vary_leave_the_constant() -> None:
    found = soft_logistic(np.ones((4, 2)), np.array([0.0, 0.0, 2.0, 2.0]))
    share = (0.5 + expit(2.0)) / 2
    assert expit(found.bias + found.weight.sum()) == pytest.approx(share, abs=1e-9)
