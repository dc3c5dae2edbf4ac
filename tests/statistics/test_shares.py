"""Shares of few runs: exact intervals and tests, equal to scipy's."""

import math

import numpy as np
import pytest
from scipy import stats

from icl_mlflow.statistics import (
    binomial_interval,
    fisher_test,
    holm,
    seeds_to_tell_shares,
)


@pytest.mark.parametrize(("k", "n"), [(0, 3), (3, 3), (2, 3), (1, 10), (7, 10)])
def test_the_interval_is_clopper_and_pearsons(k: int, n: int) -> None:
    found = binomial_interval(k, n)
    expected = stats.binomtest(k, n).proportion_ci(method="exact")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize("n", [3, 5])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_the_interval_covers_at_every_n(n: int, share: float) -> None:
    chance = stats.binom.pmf(range(n + 1), n, share)
    intervals = [binomial_interval(k, n) for k in range(n + 1)]
    held = [i.low <= share <= i.high for i in intervals]
    assert float(chance @ np.array(held)) >= 0.95


@pytest.mark.parametrize("table", [(0, 3, 3, 3), (2, 5, 5, 5), (1, 10, 8, 10)])
def test_fishers_test_is_scipys(table: tuple[int, int, int, int]) -> None:
    a, n, b, m = table
    expected = stats.fisher_exact([[a, n - a], [b, m - b]])
    assert fisher_test(*table).p == pytest.approx(expected.pvalue)


def test_the_least_p_value_is_that_of_the_totals() -> None:
    assert fisher_test(3, 3, 3, 3).smallest == 1.0
    assert fisher_test(2, 5, 3, 5).smallest == pytest.approx(2 / 252)


def test_tests_that_could_show_nothing_cost_the_others_nothing() -> None:
    sure = fisher_test(0, 5, 5, 5)
    idle = fisher_test(5, 5, 5, 5)
    tests = [sure, *[idle] * 11]
    corrected = holm([t.p for t in tests], [t.smallest for t in tests])
    assert corrected[0] == pytest.approx(sure.p)
    assert holm([t.p for t in tests])[0] == pytest.approx(12 * sure.p)


def test_seeds_to_tell_have_the_power() -> None:
    n = seeds_to_tell_shares(0.33, 1.0)
    assert n is not None
    rng = np.random.default_rng(0)
    stuck, fine = rng.binomial(n, 0.33, 4_000), rng.binomial(n, 1.0, 4_000)
    pairs = zip(stuck, fine, strict=True)
    found = np.mean([fisher_test(int(a), n, int(b), n).p <= 0.05 for a, b in pairs])
    assert found >= 0.8 - 3 * math.sqrt(0.16 / 4_000)
    assert seeds_to_tell_shares(0.5, 0.5) is None


def test_a_count_beyond_its_group_is_refused() -> None:
    with pytest.raises(ValueError, match="not 4 of 3"):
        binomial_interval(4, 3)
    with pytest.raises(ValueError, match="not 0 of 0"):
        fisher_test(0, 0, 1, 2)
