"""Paired comparison of a variant with the baseline: same seeds, same episodes.

Pairing removes what both share: the seed's data and the difficulty of an episode.
Shape suffixes: E = seeds (members of a suite), B = episodes, R = resamples.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtr

from icl_mlflow.statistics.interval import Interval, standard_error, t_interval
from icl_mlflow.statistics.sample import (
    Sample,
    check_level,
    finite_array,
    finite_sample,
)


@dataclass(frozen=True)
class Comparison:
    """A mean difference with its interval, and the p-value of "no difference".

    Attributes:
        difference: the mean of the differences and its t interval.
        p: two-sided p-value; NaN where the data cannot tell (n = 1).
    """

    difference: Interval
    p: float


@dataclass(frozen=True)
class PairedDifference:
    """One difference, seen against three kinds of chance.

    Attributes:
        seeds: paired t over the seeds' means: would other seeds agree? The verdict.
        episodes: bootstrap over episodes: would other episodes, for these very models?
        both: bootstrap over seeds and episodes together; with few seeds it is too
            narrow, since it can only reshuffle the seeds it has.
    """

    seeds: Comparison
    episodes: Interval
    both: Interval


def paired_t(differences: ArrayLike, level: float = 0.95) -> Comparison:
    """The paired t-test of a mean difference of zero.

    One difference gives a NaN interval and a NaN p-value. Equal differences give an
    interval of width zero, with p = 1 if they are all 0 and p = 0 otherwise.

    Raises:
        ValueError: no differences, or one that is not finite.
    """
    sample = finite_sample("differences", differences)
    difference = t_interval(sample, level)
    error = standard_error(sample)
    if error == 0:
        return Comparison(difference, 0.0 if difference.mean else 1.0)
    statistic = abs(difference.mean) / error
    return Comparison(difference, float(2 * stdtr(len(sample) - 1, -statistic)))


def paired_difference(
    variant_EB: ArrayLike,
    baseline_EB: ArrayLike,
    rng: np.random.Generator,
    *,
    level: float = 0.95,
    n_resamples: int = 2_000,
) -> PairedDifference:
    """Variant minus baseline, over the same seeds and the same fixed episodes.

    Every seed is evaluated on the same episodes, so seeds and episodes are crossed, not
    nested: a resample draws seeds and draws episodes, independently of each other, and
    takes every pair of the two (the pigeonhole bootstrap, Owen 2007). Bootstrap
    intervals are percentile intervals.

    Args:
        variant_EB: a measurement, such as excess risk in nats, by seed and episode.
        baseline_EB: the same of the baseline.
        rng: draws the resamples.
        level: of all three intervals.
        n_resamples: of the two bootstraps.

    Raises:
        ValueError: shapes that differ, no values, or one that is not finite.
    """
    check_level(level)
    variant = finite_array("variant", variant_EB)
    baseline = finite_array("baseline", baseline_EB)
    if variant.ndim != 2 or variant.shape != baseline.shape:  # noqa: PLR2004 two axes: seed, episode
        raise ValueError(
            "variant and baseline must be (seeds, episodes) arrays of one shape, "
            f"not {variant.shape} and {baseline.shape}"
        )
    difference_EB = variant - baseline
    n_seeds, n_episodes = difference_EB.shape
    means_R, seed_means_R = _crossed_resamples(difference_EB, rng, n_resamples)
    mean = float(difference_EB.mean())
    return PairedDifference(
        seeds=paired_t(difference_EB.mean(axis=1), level),
        episodes=_percentiles(mean, means_R, level, n_episodes),
        both=_percentiles(mean, seed_means_R, level, min(n_seeds, n_episodes)),
    )


def _crossed_resamples(
    difference_EB: Sample, rng: np.random.Generator, n_resamples: int
) -> tuple[Sample, Sample]:
    """Means over resampled episodes, of all seeds and of resampled ones: (R,)."""
    n_seeds, n_episodes = difference_EB.shape
    means_RE = np.empty((n_resamples, n_seeds))
    for index in range(n_resamples):
        drawn = rng.integers(n_episodes, size=n_episodes)
        means_RE[index] = difference_EB[:, drawn].mean(axis=1)
    seed_RE = rng.integers(n_seeds, size=(n_resamples, n_seeds))
    return means_RE.mean(axis=1), np.take_along_axis(means_RE, seed_RE, 1).mean(axis=1)


def _percentiles(mean: float, means_R: Sample, level: float, n: int) -> Interval:
    """The percentile interval; NaN ends where one seed or episode is all there is."""
    if n == 1:
        return Interval(mean, math.nan, math.nan, n)
    low, high = np.quantile(means_R, [(1 - level) / 2, (1 + level) / 2])
    return Interval(mean, float(low), float(high), n)
