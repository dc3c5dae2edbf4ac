"""Intervals of means and proportions.

Every interval is two-sided. One value pins down nothing but itself, so with n = 1 both
ends are NaN; a sample without any spread gives an interval of width zero.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logit, ndtr, ndtri, stdtrit

from icl_mlflow.statistics.sample import Sample, check_level, finite_sample

#: Numbers drawn at once in resampling: 16 MB of indices.
_CHUNK = 2_000_000

#: What the paper multiplies a standard error by, at every n.
_PAPER_QUANTILE = 1.96


@dataclass(frozen=True)
class Interval:
    """An estimate and the interval around it.

    Attributes:
        mean: the estimate.
        low, high: ends of the interval; NaN where the data cannot tell.
        n: values that the estimate rests on.
    """

    mean: float
    low: float
    high: float
    n: int

    def columns(self, name: str) -> dict[str, object]:
        """The columns of a table's row: ``name``, ``name_low`` and ``name_high``."""
        return {name: self.mean, f"{name}_low": self.low, f"{name}_high": self.high}

    def numbers(self, name: str) -> dict[str, float]:
        """The numbers for tracking: ``name``, ``name/low`` and ``name/high``.

        >>> Interval(0.9, 0.8, 1.0, n=100).numbers("slope")
        {'slope': 0.9, 'slope/low': 0.8, 'slope/high': 1.0}
        """
        return {name: self.mean, f"{name}/low": self.low, f"{name}/high": self.high}


def numbers_of_row(row: Mapping[Any, Any], column: str, name: str) -> dict[str, float]:
    """The numbers for tracking, from a row that holds `Interval.columns`.

    >>> row = Interval(0.9, 0.8, 1.0, n=100).columns("slope")
    >>> numbers_of_row(row, "slope", "bayes_slope")
    {'bayes_slope': 0.9, 'bayes_slope/low': 0.8, 'bayes_slope/high': 1.0}
    """
    return {
        name: float(row[column]),
        f"{name}/low": float(row[f"{column}_low"]),
        f"{name}/high": float(row[f"{column}_high"]),
    }


def around(mean: float, half_width: float, n: int) -> Interval:
    """The interval that reaches ``half_width`` to both sides."""
    return Interval(mean, mean - half_width, mean + half_width, n)


def standard_error(sample: Sample) -> float:
    """The standard error of the mean; NaN at n = 1, exactly 0 without spread."""
    if len(sample) == 1:
        return math.nan
    if np.ptp(sample) == 0:
        return 0.0
    return float(sample.std(ddof=1)) / math.sqrt(len(sample))


def t_quantile(level: float, degrees: int) -> float:
    """Standard errors that a two-sided interval reaches; NaN without degrees."""
    return float(stdtrit(degrees, (1 + level) / 2))


def t_interval(values: ArrayLike, level: float = 0.95) -> Interval:
    """Mean +- t sd / sqrt(n), with t = 4.30 at n = 3: exact for normal values.

    Raises:
        ValueError: no values, or one that is not finite.

    >>> interval = t_interval([0.76, 0.78, 0.80])
    >>> round(interval.mean, 2), round(interval.low, 4), round(interval.high, 4)
    (0.78, 0.7303, 0.8297)
    """
    check_level(level)
    sample = finite_sample("values", values)
    n = len(sample)
    half_width = t_quantile(level, n - 1) * standard_error(sample)
    return around(float(sample.mean()), half_width, n)


def ratio_interval(
    numerator: ArrayLike, denominator: ArrayLike, level: float = 0.95
) -> Interval:
    """The ratio of two means over the same things, with its linearised t interval.

    As a share of a total, each measured on the same episodes. Where the denominator's
    mean may be 0 (its own interval holds 0) the ratio may be anything: its ends are
    NaN, and so is all of it where that mean is 0.

    Raises:
        ValueError: lengths that differ, no values, or one that is not finite.

    >>> ratio_interval([2.0, 2.5, 3.0], [4.0, 5.0, 6.0])
    Interval(mean=0.5, low=0.5, high=0.5, n=3)
    """
    part = finite_sample("numerator", numerator)
    whole = t_interval(denominator, level)
    total = finite_sample("denominator", denominator)
    if len(part) != len(total):
        raise ValueError(
            f"both must be of one length, not {len(part)} and {len(total)}"
        )
    if whole.mean == 0:
        return Interval(math.nan, math.nan, math.nan, len(part))
    ratio = float(part.mean()) / whole.mean
    if not (whole.low > 0 or whole.high < 0):
        return Interval(ratio, math.nan, math.nan, len(part))
    left = t_interval((part - ratio * total) / whole.mean, level)
    half_width = (left.high - left.low) / 2
    return around(ratio, half_width, len(part))


def mean_interval(
    values: ArrayLike, scale: Literal["log", "logit"], level: float = 0.95
) -> Interval:
    """The t interval of a mean on a scale that fits: it never leaves what is possible.

    The standard error is carried over to the logarithm (of a risk or loss, above 0) or
    to the log-odds (of a share, between 0 and 1) of the mean. For many values, such as
    episodes; a mean at an end of the scale has an interval of width zero.

    Raises:
        ValueError: no values, or one that is not finite.

    >>> found = mean_interval([0.0, 0.001, 0.0, 0.0, 0.1], "log")
    >>> found.low > 0
    True
    """
    check_level(level)
    sample = finite_sample("values", values)
    n, mean = len(sample), float(sample.mean())
    reach = t_quantile(level, n - 1) * standard_error(sample)
    slope = mean if scale == "log" else mean * (1 - mean)
    if slope <= 0:
        return around(mean, 0.0 * reach, n)
    ends = np.array([-reach, reach]) / slope
    if scale == "log":
        low, high = mean * np.exp(ends)
    else:
        low, high = expit(logit(mean) + ends)
    return Interval(mean, float(low), float(high), n)


def normal_interval_paper(values: ArrayLike) -> Interval:
    """Mean +- 1.96 sd / sqrt(n), as arXiv 2603.10573 prints it; for reproduction only.

    At the paper's three seeds it covers the mean of normal values 81 % of the time, not
    95 %, because the standard deviation is itself estimated; `t_interval` is honest.

    Raises:
        ValueError: no values, or one that is not finite.
    """
    sample = finite_sample("values", values)
    half_width = _PAPER_QUANTILE * standard_error(sample)
    return around(float(sample.mean()), half_width, len(sample))


def wilson_interval(successes: int, n: int, level: float = 0.95) -> Interval:
    """Wilson's score interval of a proportion, such as an accuracy over n episodes.

    It keeps its level near 0 and 1, where the normal interval leaves [0, 1].

    Raises:
        ValueError: no trials, or a count that is not among them.
    """
    check_level(level)
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(
            f"successes must be 0 to n with n >= 1, not {successes} of {n}"
        )
    z = float(ndtri((1 + level) / 2))
    share = successes / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + (z / (2 * n)) ** 2)
    # At 0 and n one end is exact; subtraction would leave it a rounding error away.
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == n else centre + half
    return Interval(share, low, high, n)


def bootstrap_interval(
    values: ArrayLike,
    rng: np.random.Generator,
    *,
    level: float = 0.95,
    n_resamples: int = 2_000,
) -> Interval:
    """The BCa bootstrap interval of the mean: for large skewed samples, as of losses.

    Bias-corrected and accelerated (Efron 1987); for a mean the jackknife behind the
    acceleration has a closed form. Below about 20 values `t_interval` covers better.

    Raises:
        ValueError: no values, or one that is not finite.
    """
    check_level(level)
    sample = finite_sample("values", values)
    n, mean = len(sample), float(sample.mean())
    if n == 1:
        return Interval(mean, math.nan, math.nan, n)
    if np.ptp(sample) == 0:
        return Interval(mean, mean, mean, n)
    means = np.concatenate(list(_resampled_means(sample, rng, n_resamples)))
    below = (means < mean).mean() + (means == mean).mean() / 2
    bias = ndtri(np.clip(below, 0.5 / n_resamples, 1 - 0.5 / n_resamples))
    deviation = sample - mean
    skew = (deviation**3).sum() / (deviation**2).sum() ** 1.5
    tails = bias + ndtri([(1 - level) / 2, (1 + level) / 2])
    low, high = np.quantile(means, ndtr(bias + tails / (1 - skew / 6 * tails)))
    return Interval(mean, float(low), float(high), n)


def _resampled_means(
    sample: Sample, rng: np.random.Generator, n_resamples: int
) -> Iterator[Sample]:
    """Means of resamples of the sample's own size, a chunk at a time."""
    n = len(sample)
    chunk = max(1, _CHUNK // n)
    for start in range(0, n_resamples, chunk):
        rows = min(chunk, n_resamples - start)
        yield sample[rng.integers(n, size=(rows, n))].mean(axis=1)
