"""How closely, and at what rate, does one quantity follow another?

A correlation or slope of something constant does not exist: it and its ends are NaN.
"""

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from icl_mlflow.statistics.interval import Interval, around, t_quantile
from icl_mlflow.statistics.ranks import average_ranks
from icl_mlflow.statistics.sample import Sample, check_level, finite_sample

#: Fisher's z has variance 1 / (n - 3).
_LOST_BY_FISHER = 3


def pearson_interval(x: ArrayLike, y: ArrayLike, level: float = 0.95) -> Interval:
    """Pearson's r with Fisher's interval: tanh(atanh r +- z / sqrt(n - 3)).

    The ends are NaN up to n = 3. Nearly exact for jointly normal pairs.

    Raises:
        ValueError: lengths that differ, no pairs, or a value that is not finite.
    """
    check_level(level)
    x_sample, y_sample = _pairs(x, y)
    return _fisher(_correlation(x_sample, y_sample), 1.0, len(x_sample), level)


def spearman_interval(x: ArrayLike, y: ArrayLike, level: float = 0.95) -> Interval:
    """Spearman's rho with the interval of Bonett and Wright (2000).

    Fisher's, with the variance (1 + rho^2 / 2) / (n - 3); ties take their mean rank.

    Raises:
        ValueError: lengths that differ, no pairs, or a value that is not finite.
    """
    check_level(level)
    x_sample, y_sample = _pairs(x, y)
    rho = _correlation(average_ranks(x_sample), average_ranks(y_sample))
    return _fisher(rho, 1 + rho**2 / 2, len(x_sample), level)


def slope_interval(x: ArrayLike, y: ArrayLike, level: float = 0.95) -> Interval:
    """The least-squares slope of y on x (with intercept) and its t interval.

    Exact for normal residuals of one variance; the ends are NaN up to n = 2.

    Raises:
        ValueError: lengths that differ, no pairs, or a value that is not finite.

    >>> slope_interval([0.0, 1.0, 2.0], [1.0, 3.0, 5.0])
    Interval(mean=2.0, low=2.0, high=2.0, n=3)
    """
    check_level(level)
    x_sample, y_sample = _pairs(x, y)
    n = len(x_sample)
    if np.ptp(x_sample) == 0:
        return Interval(math.nan, math.nan, math.nan, n)
    x_centred = x_sample - x_sample.mean()
    y_centred = y_sample - y_sample.mean()
    spread = float(x_centred @ x_centred)
    slope = float(x_centred @ y_centred) / spread
    degrees = n - 2
    if degrees < 1:
        return around(slope, math.nan, n)
    residual = y_centred - slope * x_centred
    error = math.sqrt(float(residual @ residual) / degrees / spread)
    return around(slope, t_quantile(level, degrees) * error, n)


def _pairs(x: ArrayLike, y: ArrayLike) -> tuple[Sample, Sample]:
    x_sample, y_sample = finite_sample("x", x), finite_sample("y", y)
    if len(x_sample) != len(y_sample):
        raise ValueError(
            f"x and y must be of one length, not {len(x_sample)} and {len(y_sample)}"
        )
    return x_sample, y_sample


def _correlation(x: Sample, y: Sample) -> float:
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return math.nan
    x_centred, y_centred = x - x.mean(), y - y.mean()
    r = float(
        x_centred @ y_centred / np.linalg.norm(x_centred) / np.linalg.norm(y_centred)
    )
    return max(-1.0, min(1.0, r))


def _fisher(r: float, variance: float, n: int, level: float) -> Interval:
    if n <= _LOST_BY_FISHER:
        return around(r, math.nan, n)
    if abs(r) == 1:
        return Interval(r, r, r, n)
    z = math.atanh(r)
    half_width = float(ndtri((1 + level) / 2)) * math.sqrt(
        variance / (n - _LOST_BY_FISHER)
    )
    return Interval(r, math.tanh(z - half_width), math.tanh(z + half_width), n)
