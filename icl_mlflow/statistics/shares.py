"""Shares of a few runs: intervals and tests that are exact for any n."""

import functools
import math
from dataclasses import dataclass

import numpy as np
import scipy  # its stats, which are slow to import, when they are first used
from scipy.special import betaincinv

from icl_mlflow.statistics.interval import Interval
from icl_mlflow.statistics.sample import Sample, check_level

#: Tables as probable as the one seen, but for rounding, are as extreme.
_ROUNDING = 1 + 1e-9
#: Numbers of seeds that are tried: a larger one need not be known exactly.
_SEEDS: tuple[int, ...] = (*range(2, 13), 14, 16, 20, 24, 32, 48, 64)
#: Outcomes too rare to count in a power.
_NEGLIGIBLE = 1e-5


def binomial_interval(successes: int, n: int, level: float = 0.95) -> Interval:
    """Clopper and Pearson's exact interval of a share: it covers at every n.

    Raises:
        ValueError: no trials, or a count that is not among them.

    >>> found = binomial_interval(3, 3)
    >>> round(found.low, 3), found.high
    (0.292, 1.0)
    """
    check_level(level)
    _check_count(successes, n)
    tail = (1 - level) / 2
    low = float(betaincinv(successes, n - successes + 1, tail)) if successes else 0.0
    is_all = successes == n
    high = 1.0 if is_all else float(betaincinv(successes + 1, n - successes, 1 - tail))
    return Interval(successes / n, low, high, n)


@dataclass(frozen=True)
class FisherTest:
    """Fisher's exact test of two shares.

    Attributes:
        p: two-sided p-value.
        smallest: the least p-value that any table with these totals can have; a test
            whose smallest is above its level could not have shown anything.
    """

    p: float
    smallest: float


@functools.cache
def fisher_test(first: int, n_first: int, second: int, n_second: int) -> FisherTest:
    """Whether ``first`` of ``n_first`` differs from ``second`` of ``n_second``.

    Two-sided: of all tables with the same totals, those at most as probable.

    Raises:
        ValueError: a group without members, or a count that is not among them.

    >>> round(fisher_test(0, 3, 3, 3).p, 3), round(fisher_test(0, 5, 5, 5).p, 4)
    (0.1, 0.0079)
    """
    _check_count(first, n_first)
    _check_count(second, n_second)
    total = first + second
    counts = range(max(0, total - n_second), min(total, n_first) + 1)
    chance = scipy.stats.hypergeom.pmf(counts, n_first + n_second, n_first, total)
    seen = chance[first - counts[0]]
    # By every count, the chance of all that are as extreme.
    p_values = [chance[chance <= c * _ROUNDING].sum() for c in chance]
    p = float(chance[chance <= seen * _ROUNDING].sum())
    return FisherTest(p=min(p, 1.0), smallest=min(1.0, float(min(p_values))))


@functools.cache
def seeds_to_tell_shares(
    first: float, second: float, significance: float = 0.05, power: float = 0.8
) -> int | None:
    """About how many runs a group it takes to tell two true shares apart.

    The first of `_SEEDS` at which `fisher_test` does so with chance ``power``; None
    where none of them does.

    >>> seeds_to_tell_shares(0.0, 1.0), seeds_to_tell_shares(0.33, 1.0)
    (4, 9)
    """
    for n in _SEEDS:
        one, other = (
            scipy.stats.binom.pmf(np.arange(n + 1), n, p) for p in (first, second)
        )
        found = sum(
            float(one[i] * other[j])
            for i, j in np.argwhere(np.outer(one, other) > _NEGLIGIBLE)
            if fisher_test(int(i), n, int(j), n).p <= significance
        )
        if found >= power:
            return n
    return None


def _binomial(n: int, share: float) -> Sample:
    """The chances of 0 to n successes: (n + 1,)."""
    chances = [
        math.comb(n, k) * share**k * (1 - share) ** (n - k) for k in range(n + 1)
    ]
    return np.array(chances)


def _check_count(successes: int, n: int) -> None:
    if n < 1 or not 0 <= successes <= n or math.isnan(successes):
        raise ValueError(
            f"successes must be 0 to n with n >= 1, not {successes} of {n}"
        )
