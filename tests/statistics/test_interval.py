"""Intervals have the ends that theory gives, and cover as often as they claim."""

import math

import numpy as np
import pytest
from scipy import stats

from icl_mlflow.statistics import (
    Interval,
    bootstrap_interval,
    mean_interval,
    normal_interval_paper,
    ratio_interval,
    t_interval,
    wilson_interval,
)

THREE = [0.7, 0.8, 0.9]  # mean 0.8, standard error 0.1 / sqrt(3)


def test_three_seeds_reach_4_30_standard_errors() -> None:
    interval = t_interval(THREE)
    assert interval.n == 3
    assert interval.mean == pytest.approx(0.8)
    reach = (interval.high - interval.mean) / (0.1 / math.sqrt(3))
    assert reach == pytest.approx(4.302653, abs=1e-6)
    assert interval.mean - interval.low == pytest.approx(interval.high - interval.mean)


@pytest.mark.parametrize("level", [0.5, 0.95, 0.99])
def test_t_interval_is_scipys(level: float) -> None:
    values = np.random.default_rng(0).normal(size=7)
    interval = t_interval(values, level)
    expected = stats.t.interval(level, 6, values.mean(), stats.sem(values))
    assert (interval.low, interval.high) == pytest.approx(expected)


def test_the_papers_interval_is_1_96_standard_errors() -> None:
    interval = normal_interval_paper(THREE)
    assert interval.high - interval.mean == pytest.approx(1.96 * 0.1 / math.sqrt(3))


def test_t_covers_as_claimed_and_the_papers_interval_does_not() -> None:
    rng = np.random.default_rng(1)
    samples = rng.normal(size=(2_000, 3))
    ts = [t_interval(sample) for sample in samples]
    papers = [normal_interval_paper(sample) for sample in samples]
    assert covered(ts) == pytest.approx(0.95, abs=3 * binomial_error(0.95, 2_000))
    really = 2 * stats.t.cdf(1.96, 2) - 1
    assert really == pytest.approx(0.811, abs=0.001)  # what the docstring says
    assert covered(papers) == pytest.approx(
        really, abs=3 * binomial_error(really, 2_000)
    )


@pytest.mark.parametrize(("successes", "n"), [(0, 7), (7, 7), (3, 7), (15_781, 20_000)])
def test_wilson_is_scipys(successes: int, n: int) -> None:
    interval = wilson_interval(successes, n)
    expected = stats.binomtest(successes, n).proportion_ci(method="wilson")
    assert interval.mean == successes / n
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high))
    assert interval.low >= 0
    assert interval.high <= 1


def test_bootstrap_is_scipys_bca() -> None:
    values = np.random.default_rng(2).exponential(size=60)
    resamples = 40_000
    interval = bootstrap_interval(
        values, np.random.default_rng(3), n_resamples=resamples
    )
    expected = stats.bootstrap(
        (values,),
        np.mean,
        method="BCa",
        n_resamples=resamples,
        batch=1_000,
        random_state=np.random.default_rng(4),
    ).confidence_interval
    # Both are quantiles of 40 000 draws: their error is about 0.001 here.
    assert interval.low == pytest.approx(expected.low, abs=0.006)
    assert interval.high == pytest.approx(expected.high, abs=0.006)
    skewness = (interval.high - interval.mean) / (interval.mean - interval.low)
    assert skewness > 1.1  # a percentile or normal interval would be nearly symmetric


def test_bootstrap_covers_as_often_as_theory_predicts() -> None:
    rng = np.random.default_rng(5)
    intervals = [
        bootstrap_interval(sample, rng, n_resamples=1_000)
        for sample in rng.normal(size=(600, 40))
    ]
    # It knows nothing of t, and its variance lacks the factor n / (n - 1).
    expected = 2 * stats.t.cdf(1.96 * math.sqrt(39 / 40), 39) - 1
    error = binomial_error(expected, 600)
    assert covered(intervals) == pytest.approx(expected, abs=3 * error)


def test_bootstrap_repeats_with_its_generator() -> None:
    first, second = (
        bootstrap_interval([1.0, 2.0, 4.0], np.random.default_rng(7)) for _ in range(2)
    )
    assert first == second


def test_one_value_has_no_interval() -> None:
    intervals = (
        t_interval([0.5]),
        normal_interval_paper([0.5]),
        bootstrap_interval([0.5], np.random.default_rng(0)),
    )
    for interval in intervals:
        assert (interval.mean, interval.n) == (0.5, 1)
        assert math.isnan(interval.low)
        assert math.isnan(interval.high)


def test_equal_values_have_an_interval_of_width_zero() -> None:
    assert t_interval([0.25] * 4) == Interval(0.25, 0.25, 0.25, 4)
    assert normal_interval_paper([0.25] * 4) == Interval(0.25, 0.25, 0.25, 4)
    rng = np.random.default_rng(0)
    assert bootstrap_interval([0.25] * 4, rng) == Interval(0.25, 0.25, 0.25, 4)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_not_finite_is_refused_by_name(bad: float) -> None:
    with pytest.raises(ValueError, match=rf"^values\[1\] is {bad};"):
        t_interval([0.5, bad])


def test_what_is_no_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="values is empty"):
        t_interval([])
    with pytest.raises(ValueError, match="2-dimensional"):
        t_interval([[0.5]])
    with pytest.raises(ValueError, match="level must be between 0 and 1, not 95"):
        t_interval([0.5, 0.6], level=95)
    with pytest.raises(ValueError, match="not 8 of 7"):
        wilson_interval(8, 7)


def covered(intervals: list[Interval], truth: float = 0.0) -> float:
    return float(np.mean([i.low <= truth <= i.high for i in intervals]))


def binomial_error(p: float, n: int) -> float:
    return math.sqrt(p * (1 - p) / n)


def test_a_mean_interval_never_leaves_what_is_possible() -> None:
    rare = [0.0] * 30 + [0.2]
    assert t_interval(rare).low < 0 < mean_interval(rare, "log").low
    sure = [1.0] * 30 + [0.9]
    assert mean_interval(sure, "logit").high < 1 < t_interval(sure).high
    assert mean_interval([0.0, 0.0], "log") == Interval(0.0, 0.0, 0.0, 2)
    assert math.isnan(mean_interval([0.3], "log").low)


def test_a_mean_interval_covers() -> None:
    rng = np.random.default_rng(6)
    risks = rng.gamma(0.3, size=(1_000, 400))
    truth = [mean_interval(sample, "log") for sample in risks]
    assert covered(truth, 0.3) >= 0.95 - 3 * binomial_error(0.95, 1_000)


def test_the_interval_of_a_share_holds_it_at_its_level() -> None:
    """Numerator and denominator share what is random: a third of each, and noise."""
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        whole = rng.exponential(2.0, 60)
        found = ratio_interval(whole / 3 + rng.normal(0, 0.3, 60), whole)
        held += found.low <= 1 / 3 <= found.high
    assert 0.92 <= held / 400 <= 0.98


def test_a_share_of_what_may_be_nothing_has_no_interval() -> None:
    found = ratio_interval([1.0, 1.0, 1.0], [-1.0, 0.1, 1.0])
    assert math.isfinite(found.mean)
    assert math.isnan(found.low)
    assert math.isnan(ratio_interval([1.0, 1.0], [1.0, -1.0]).mean)
    with pytest.raises(ValueError, match="of one length, not 1 and 2"):
        ratio_interval([1.0], [1.0, 2.0])
