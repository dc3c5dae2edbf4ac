"""Correlations and slopes are scipy's, with intervals that cover."""

import math

import numpy as np
import pytest
from scipy import stats

from icl_mlflow.statistics import (
    clustered_spearman,
    pearson_interval,
    slope_interval,
    spearman_interval,
)


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
    assert found.mean == pytest.approx(expected.statistic)
    z = np.array(
        [
            math.atanh(stats.pearsonr(np.delete(x, i), np.delete(y, i)).statistic)
            for i in range(len(x))
        ]
    )
    error = math.sqrt((len(x) - 1) ** 2 / len(x) * z.var())
    half = stats.t.ppf(0.95, len(x) - 2) * error
    reach = math.atanh(found.high) - math.atanh(found.mean)
    assert reach == pytest.approx(half, rel=0.02)


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
    design = np.column_stack([np.ones_like(x), x])
    hat = design @ np.linalg.pinv(design)
    residual = (y - expected.intercept - expected.slope * x) / (1 - np.diag(hat))
    centred = x - x.mean()
    error = np.linalg.norm(centred * residual) / (centred @ centred)
    assert found.high - found.mean == pytest.approx(stats.t.ppf(0.975, 7) * error)


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


def test_heavy_tails_are_covered_where_fishers_interval_fails() -> None:
    """Log-odds as of task B, and a model that saturates: 5 000 episodes, 200 times."""
    rng = np.random.default_rng(2)

    def episodes(n: int) -> tuple[np.ndarray, np.ndarray]:
        sigma = rng.uniform(0.5, 3, (2, n))
        own = np.where(rng.random(n) < 0.5, sigma[0], sigma[1])
        square = own**2 * rng.chisquare(16, n)
        llr = 16 * np.log(sigma[0] / sigma[1])
        llr += square / 2 * (sigma[0] ** -2 - sigma[1] ** -2)
        return llr, 12 * np.tanh(llr / 12) + 0.5 * rng.standard_normal(n)

    x, y = episodes(2_000_000)
    slope, r = stats.linregress(x, y).slope, np.corrcoef(x, y)[0, 1]
    covered = np.zeros(3)
    for _ in range(200):
        x, y = episodes(5_000)
        fisher = stats.pearsonr(x, y).confidence_interval()
        ours = [(pearson_interval(x, y), r), (slope_interval(x, y), slope)]
        held = [i.low <= truth <= i.high for i, truth in [*ours, (fisher, r)]]
        covered += held
    error = math.sqrt(0.95 * 0.05 / 200)
    assert covered[:2].min() / 200 >= 0.95 - 2 * error
    assert covered[2] / 200 < 0.9


def test_clusters_are_covered_where_pooling_fails() -> None:
    """Eight heads of each of six models that have a level of their own."""
    rng = np.random.default_rng(3)
    held = np.zeros(2)
    for _ in range(300):
        level = rng.standard_normal((2, 6, 1))
        x, y = (2 * level + rng.standard_normal((2, 6, 8))).reshape(2, -1)
        model = np.repeat(np.arange(6), 8)
        for i, found in enumerate(
            (clustered_spearman(x, y, model), spearman_interval(x, y))
        ):
            held[i] += found.low <= 0 <= found.high
    assert held[0] / 300 >= 0.9
    assert held[1] / 300 < 0.7


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
