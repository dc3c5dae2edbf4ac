"""Order statistics: the median of a few values, whatever they are drawn from.

Seeds leave a plateau at different times, so their results are often of two kinds, and
a t interval of a few of them may miss most of the time. The values themselves do not:
the middle of the distribution (its median) lies between the smallest and the largest of
n independent values with chance 1 - 2^(1 - n), which is .75 for three, .94 for five and
.97 for six. The same holds on any scale: of a loss and of its logarithm.
"""

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import bdtr

from icl_mlflow.statistics.interval import Interval
from icl_mlflow.statistics.sample import check_level, finite_sample

_HALF = 0.5


def order_interval(values: ArrayLike, level: float = 0.95) -> Interval:
    """The mean, and the two of the sorted values that hold the median.

    Of all pairs at equal depth it takes the innermost that hold the median of the
    distribution with chance ``level``, exactly and whatever the distribution; the
    smallest and the largest value, so the range, where no pair does (below six values,
    at .95). The ends are values that were seen, so they never leave what is possible.
    The mean may lie outside where few values are far from the rest.

    Raises:
        ValueError: no values, or one that is not finite.

    >>> order_interval([0.0125, 0.0103, 0.0341])
    Interval(mean=0.018966666666666666, low=0.0103, high=0.0341, n=3)
    """
    check_level(level)
    sample = np.sort(finite_sample("values", values))
    n = len(sample)
    mean = float(sample.mean())
    if n == 1:
        return Interval(mean, math.nan, math.nan, n)
    depth = order_depth(n, level)
    return Interval(mean, float(sample[depth]), float(sample[-1 - depth]), n)


def order_depth(n: int, level: float = 0.95) -> int:
    """How many values lie outside the interval on each side: 0 for the range.

    >>> [order_depth(n) for n in (3, 5, 8, 9, 20)]
    [0, 0, 0, 1, 5]
    """
    tail = (1 - level) / 2
    depth = 0
    while _below(depth + 1, n) <= tail:
        depth += 1
    return depth


def order_chance(n: int, level: float = 0.95) -> float:
    """The chance that `order_interval` of n values holds the median.

    >>> [round(order_chance(n), 4) for n in (2, 3, 5, 6, 10)]
    [0.5, 0.75, 0.9375, 0.9688, 0.9785]
    """
    return 1 - 2 * _below(order_depth(n, level), n)


def is_equivalent(
    differences: ArrayLike, margin: float, significance: float = 0.05
) -> bool:
    """Whether the median difference is surely within ``margin`` of 0.

    Two one-sided sign tests, exact whatever the distribution: a median at the margin or
    beyond is called equivalent with chance ``significance`` at most. It takes five
    values at .05, all of them within; of eight, one may lie outside on each side. The
    mean has to be within the margin too.

    >>> is_equivalent([0.001, -0.002, 0.0, 0.003, 0.001], margin=0.01)
    True
    >>> is_equivalent([0.001, -0.002, 0.0], margin=0.01)
    False
    """
    check_level(significance, "significance")
    sample = finite_sample("differences", differences)
    beyond = max((sample >= margin).sum(), (sample <= -margin).sum())
    is_within = abs(float(sample.mean())) <= margin
    return is_within and _below(int(beyond), len(sample)) <= significance


def _below(count: int, n: int) -> float:
    """P(at most ``count`` of n fair coins show heads)."""
    return float(bdtr(count, n, _HALF))
