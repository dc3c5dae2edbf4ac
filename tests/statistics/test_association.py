"""Correlations and slopes are scipy's, with intervals that cover."""

import math

import numpy as np
import pytest
from scipy import stats

from icl_mlflow.statistics import pearson_interval, slope_interval, spearman_interval
from icl_mlflow.statistics.ranks import average_ranks


def pairs(
    n: int = 40, rho: float = 0.6, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    return x, rho * x + math.sqrt(1 - rho**2) * rng.normal(size=n)


def test_pearson_is_scipys() -> None:
    x, y = pairs()
    found = pearson_interval(x, y, level=0.9)
    expected = stats.pearsonr(x, y)
    interval = expected.confidence_interval(0.9)
    assert found.mean == pytest.approx(expected.statistic)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_spearman_is_scipys_with_bonett_and_wrights_variance() -> None:
    x, y = pairs()
    y = y.round(1)  # ties
    found = spearman_interval(x, y)
    rho = float(stats.spearmanr(x, y).statistic)
    assert found.mean == pytest.approx(rho)
    half = 1.959964 * math.sqrt((1 + rho**2 / 2) / 37)
    assert math.atanh(found.high) - math.atanh(rho) == pytest.approx(half, rel=1e-6)
    assert math.atanh(rho) - math.atanh(found.low) == pytest.approx(half, rel=1e-6)


def test_slope_is_scipys() -> None:
    x, y = pairs(n=9)
    found = slope_interval(x, y)
    expected = stats.linregress(x, y)
    assert found.mean == pytest.approx(expected.slope)
    half = stats.t.ppf(0.975, 7) * expected.stderr
    assert found.high - found.mean == pytest.approx(half)


def test_intervals_cover_as_claimed() -> None:
    n_samples, rho = 1_000, 0.6
    rho_s = 6 / math.pi * math.asin(rho / 2)
    covered = np.zeros(3)
    for seed in range(n_samples):
        x, y = pairs(n=60, rho=rho, seed=seed)
        intervals = (
            (pearson_interval(x, y), rho),
            (spearman_interval(x, y), rho_s),
            (slope_interval(x, y), rho),
        )
        covered += [found.low <= truth <= found.high for found, truth in intervals]
    error = math.sqrt(0.95 * 0.05 / n_samples)
    assert covered / n_samples == pytest.approx(0.95, abs=3 * error)


def test_a_perfect_relation_has_an_interval_of_width_zero() -> None:
    x = np.arange(6.0)
    assert (pearson_interval(x, -x).low, pearson_interval(x, -x).high) == (-1.0, -1.0)
    assert spearman_interval(x, x**3).low == 1.0
    assert slope_interval(x, 2 * x + 1).low == pytest.approx(2.0)


@pytest.mark.parametrize("interval", [pearson_interval, spearman_interval])
def test_three_pairs_have_a_correlation_but_no_interval(interval) -> None:
    found = interval([1.0, 2.0, 3.0], [1.0, 3.0, 2.0])
    assert found.mean == pytest.approx(0.5)
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_two_points_have_a_slope_but_no_interval() -> None:
    found = slope_interval([0.0, 1.0], [1.0, 3.0])
    assert found.mean == 2.0
    assert math.isnan(found.low)


def test_what_is_constant_has_no_correlation_and_no_slope_on_it() -> None:
    constant, x = [1.0] * 5, [1.0, 2.0, 3.0, 4.0, 5.0]
    for interval in (pearson_interval, spearman_interval, slope_interval):
        assert math.isnan(interval(constant, x).mean)
    assert slope_interval(x, constant).mean == 0.0
    assert math.isnan(pearson_interval(x, constant).mean)


def test_lists_that_do_not_pair_are_refused() -> None:
    with pytest.raises(ValueError, match="one length, not 2 and 3"):
        pearson_interval([1.0, 2.0], [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match=r"y\[1\] is nan"):
        slope_interval([1.0, 2.0], [1.0, math.nan])


def test_ranks_are_scipys_ties_and_all() -> None:
    values = np.random.default_rng(0).integers(0, 20, 100) / 7
    np.testing.assert_array_equal(average_ranks(values), stats.rankdata(values))
