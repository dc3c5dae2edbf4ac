"""Correlations and slopes of two quantities, with their intervals.

A correlation or slope of something constant does not exist: it and its ends are NaN.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from icl_mlflow.statistics.interval import Interval, around, t_quantile
from icl_mlflow.statistics.ranks import average_ranks
from icl_mlflow.statistics.sample import Sample, check_level, finite_sample

#: Fisher's z has variance 1 / (n - 3).
_LOST_BY_FISHER = 3
#: Correlations beyond it are perfect but for rounding.
_PERFECT = 1 - 1e-12
_SMALLEST_FREEDOM = 1e-9
#: From so many clusters on their spread tells anything.
FEWEST_CLUSTERS = 3


def pearson_interval(x: ArrayLike, y: ArrayLike, level: float = 0.95) -> Interval:
    """Pearson's r with the jackknife's interval of Fisher's z.

    Every pair is left out in turn; so heavy tails, such as of log-odds, widen it, where
    Fisher's own interval takes pairs for jointly normal. The ends are NaN up to n = 3.

    Raises:
        ValueError: lengths that differ, no pairs, or a value that is not finite.
    """
    check_level(level)
    x_sample, y_sample = _pairs(x, y)
    n, r = len(x_sample), _correlation(x_sample, y_sample)
    if n <= _LOST_BY_FISHER or math.isnan(r):
        return around(r, math.nan, n)
    if abs(r) >= _PERFECT:
        return Interval(r, r, r, n)
    z_left_out = np.arctanh(np.clip(_left_out(x_sample, y_sample), -_PERFECT, _PERFECT))
    error = math.sqrt(
        (n - 1) / n * float(((z_left_out - z_left_out.mean()) ** 2).sum())
    )
    half_width = t_quantile(level, n - 2) * error
    z = math.atanh(r)
    return Interval(r, math.tanh(z - half_width), math.tanh(z + half_width), n)


def clustered_spearman(
    x: ArrayLike, y: ArrayLike, clusters: ArrayLike, level: float = 0.95
) -> Interval:
    """Spearman's rho where values of one cluster, such as a model, are not independent.

    Each cluster is left out in turn (the cluster jackknife, of Fisher's z, with t of
    clusters - 1 degrees). The ends are NaN below `FEWEST_CLUSTERS`.

    Raises:
        ValueError: lengths that differ, no pairs, or a value that is not finite.
    """
    check_level(level)
    x_sample, y_sample = _pairs(x, y)
    label = np.unique(np.asarray(clusters, dtype=str), return_inverse=True)[1]
    n_clusters, n = int(label.max()) + 1, len(x_sample)

    def rho_of(chosen: NDArray[np.bool_]) -> float:
        return _correlation(
            average_ranks(x_sample[chosen]), average_ranks(y_sample[chosen])
        )

    rho = rho_of(np.ones(n, dtype=bool))
    if n_clusters < FEWEST_CLUSTERS or math.isnan(rho):
        return around(rho, math.nan, n)
    left_out = np.array([rho_of(label != one) for one in range(n_clusters)])
    if np.isnan(left_out).any():
        return around(rho, math.nan, n)
    z, z_left_out = (
        np.arctanh(np.clip(r, -_PERFECT, _PERFECT)) for r in (rho, left_out)
    )
    spread = float(((z_left_out - z_left_out.mean()) ** 2).sum())
    error = math.sqrt((n_clusters - 1) / n_clusters * spread)
    half_width = t_quantile(level, n_clusters - 1) * error
    return Interval(rho, math.tanh(z - half_width), math.tanh(z + half_width), n)


def _left_out(x: Sample, y: Sample) -> Sample:
    """The correlation without each of the pairs; 1 where it does not exist."""
    n = len(x)
    a, b = x - x.mean(), y - y.mean()
    # Of a mean of zero, leaving one out takes n / (n - 1) of its square from the sum.
    lost = n / (n - 1)
    products = [float(u @ v) - lost * u * v for u, v in ((a, b), (a, a), (b, b))]
    spread = np.sqrt(np.maximum(products[1] * products[2], 0.0))
    found: Sample = np.ones_like(spread)
    np.divide(products[0], spread, out=found, where=spread > 0)
    return found


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
    """The least-squares slope of y on x (with intercept) and the jackknife's interval.

    Residuals enlarged by their leverage, each with a variance of its own (HC3), which
    is the jackknife but for a factor near 1. The ends are NaN up to n = 2.

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
    # A pair that alone decides the slope has leverage 1 and no residual.
    freedom = np.maximum(1 - 1 / n - x_centred**2 / spread, _SMALLEST_FREEDOM)
    error = float(np.linalg.norm(x_centred * residual / freedom)) / spread
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
