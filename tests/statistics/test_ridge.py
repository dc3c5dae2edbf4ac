"""Ridge regression beside refits without each case, and beside R^2 known beforehand."""

import numpy as np
import pytest

from icl_mlflow.statistics import Ridge
from icl_mlflow.statistics.ridge import _PENALTIES


def refitted(features: np.ndarray, targets: np.ndarray, penalty: float) -> np.ndarray:
    """The error of each case by the fit to all others, fit by fit."""
    errors = []
    for case in range(len(features)):
        rest = np.arange(len(features)) != case
        x_mean, y_mean = features[rest].mean(0), targets[rest].mean(0)
        x, y = features[rest] - x_mean, targets[rest] - y_mean
        fit = np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ y)
        errors.append(targets[case] - y_mean - (features[case] - x_mean) @ fit)
    return np.array(errors)


@pytest.mark.parametrize("width", [2, 7])
def test_errors_are_those_of_refits_at_the_best_penalty(width: int) -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(9, width)) + 3
    targets = rng.normal(size=(9, 2)) + features[:, :1]
    found = Ridge(features).fit(targets)
    singular = np.linalg.svd(features - features.mean(0), compute_uv=False)
    scale = np.square(singular).mean()
    errors = [refitted(features, targets, share * scale) for share in _PENALTIES]
    best = min(errors, key=lambda error: np.square(error).sum())
    np.testing.assert_allclose(found.error, best, rtol=1e-8, atol=1e-10)
    others = [np.delete(targets, case, 0).mean(0) for case in range(9)]
    np.testing.assert_allclose(found.baseline, targets - others, atol=1e-12)
    ratio = 1 - np.square(best).sum() / np.square(found.baseline).sum()
    assert found.r2.mean == pytest.approx(ratio)


@pytest.mark.parametrize("noise", [0.0, 0.5, 2.0, 100.0])
def test_of_gaussian_data_it_finds_the_known_share(noise: float) -> None:
    covered = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        features = rng.normal(size=(400, 5))
        weight = np.array([[1.0], [2.0], [0.0], [0.0], [2.0]])
        targets = features @ weight + noise * rng.normal(size=(400, 1))
        found = Ridge(features).fit(targets).r2
        known = 9 / (9 + noise**2)
        assert found.mean == pytest.approx(known, abs=0.1)
        # A fit to 400 cases costs a 80th of the noise.
        slack = 5 / 400 * (1 - known) + 1e-9
        covered += found.low - slack <= known <= found.high + slack
    assert covered >= 34


def test_coefficients_tell_the_targets() -> None:
    rng = np.random.default_rng(1)
    features, weight = rng.normal(size=(50, 4)), rng.normal(size=(4, 3))
    found = Ridge(features).fit(features @ weight + 5)
    np.testing.assert_allclose(found.coefficients, weight, atol=1e-5)


def test_values_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="features"):
        Ridge(np.array([[1.0], [np.nan]]))
    with pytest.raises(ValueError, match="targets"):
        Ridge(np.eye(3)).fit(np.array([[1.0], [np.inf], [0.0]]))
