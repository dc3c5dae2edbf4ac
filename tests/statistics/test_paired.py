"""A paired comparison finds what is there, and only that, at its stated level."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from icl_mlflow.statistics import Interval, paired_difference, paired_t, power

RESAMPLES = 400
SEED_SD, NOISE_SD = 0.1, 0.2


def suite(
    rng: np.random.Generator, n_seeds: int, n_episodes: int, effect: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A variant and its baseline; seeds and episodes, too, have effects, of sd 1."""
    shared = rng.normal(size=(1, n_episodes)) + rng.normal(size=(n_seeds, 1))
    moved = effect + SEED_SD * rng.normal(size=(n_seeds, 1))

    def noise() -> NDArray[np.float64]:
        return NOISE_SD * rng.normal(size=(n_seeds, n_episodes))

    return shared + moved + noise(), shared + noise()


def test_paired_t_is_scipys() -> None:
    rng = np.random.default_rng(0)
    differences = rng.normal(loc=0.4, size=8)
    found = paired_t(differences)
    expected = stats.ttest_1samp(differences, 0.0)
    assert found.p == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval()
    assert found.difference.low == pytest.approx(interval.low)
    assert found.difference.high == pytest.approx(interval.high)


def test_one_pair_tells_nothing() -> None:
    found = paired_t([0.3])
    assert found.difference.mean == 0.3
    assert math.isnan(found.difference.low)
    assert math.isnan(found.p)


def test_equal_differences_are_certain() -> None:
    assert paired_t([0.0, 0.0, 0.0]).p == 1.0
    same = paired_t([0.5, 0.5, 0.5])
    assert same.p == 0.0
    assert (same.difference.low, same.difference.high) == (0.5, 0.5)


def test_the_difference_is_variant_minus_baseline() -> None:
    rng = np.random.default_rng(1)
    variant, baseline = suite(rng, 4, 50, effect=0.0)
    found = paired_difference(variant, baseline, rng, n_resamples=RESAMPLES)
    mean = float((variant - baseline).mean())
    assert found.seeds == paired_t((variant - baseline).mean(axis=1))
    assert found.episodes.mean == pytest.approx(mean)
    assert found.both.mean == pytest.approx(mean)
    assert (found.seeds.difference.n, found.episodes.n) == (4, 50)


def test_pairing_removes_what_variant_and_baseline_share() -> None:
    rng = np.random.default_rng(2)
    variant, baseline = suite(rng, 6, 200, effect=0.5)
    found = paired_difference(variant, baseline, rng, n_resamples=RESAMPLES)
    assert found.seeds.difference.low > 0.3  # the seeds alone differ by 1
    assert found.episodes.high - found.episodes.low < 0.2


def test_each_interval_sees_its_own_kind_of_chance() -> None:
    rng = np.random.default_rng(3)
    by_seed = rng.normal(size=(8, 1)) + np.zeros((8, 300))
    by_episode = rng.normal(size=(1, 300)) + np.zeros((8, 1))
    zero = np.zeros((8, 300))
    seeds = paired_difference(by_seed, zero, rng, n_resamples=RESAMPLES)
    episodes = paired_difference(by_episode, zero, rng, n_resamples=RESAMPLES)
    assert width(seeds.episodes) == pytest.approx(0.0, abs=1e-12)
    expected = 2 * 1.96 * float(by_episode.std()) / math.sqrt(300)
    assert width(episodes.episodes) == pytest.approx(expected, rel=0.15)
    assert width(episodes.both) == pytest.approx(expected, rel=0.15)
    # The seeds' own variance, over 8 rather than 7, is what resampling them shows.
    expected = 2 * 1.96 * float(by_seed[:, 0].std()) / math.sqrt(8)
    assert width(seeds.both) == pytest.approx(expected, rel=0.15)


@pytest.mark.parametrize("effect", [0.0, 0.2])
def test_level_and_power_over_simulated_suites(effect: float) -> None:
    rng = np.random.default_rng(4)
    n_suites, n_seeds, n_episodes = 500, 5, 20
    called = 0
    for _ in range(n_suites):
        variant, baseline = suite(rng, n_seeds, n_episodes, effect)
        found = paired_difference(variant, baseline, rng, n_resamples=2)
        called += found.seeds.p <= 0.05
    sd = math.hypot(SEED_SD, NOISE_SD * math.sqrt(2 / n_episodes))
    expected = power(n_seeds, sd, effect) if effect else 0.05
    error = math.sqrt(expected * (1 - expected) / n_suites)
    assert called / n_suites == pytest.approx(expected, abs=3 * error)


def test_one_seed_or_one_episode_has_no_interval_there() -> None:
    rng = np.random.default_rng(5)
    one_seed = paired_difference([[0.1, 0.3, 0.2]], [[0.0, 0.0, 0.0]], rng)
    assert math.isnan(one_seed.seeds.p)
    assert math.isnan(one_seed.both.low)
    assert one_seed.episodes.low < 0.2 < one_seed.episodes.high
    one_episode = paired_difference([[0.1], [0.2]], [[0.0], [0.0]], rng)
    assert math.isnan(one_episode.episodes.high)


def test_shapes_that_differ_are_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"not \(2, 3\) and \(2, 4\)"):
        paired_difference(np.zeros((2, 3)), np.zeros((2, 4)), rng)
    with pytest.raises(ValueError, match=r"baseline\[1\]\[0\] is nan"):
        paired_difference(np.zeros((2, 1)), [[0.0], [math.nan]], rng)


def width(interval: Interval) -> float:
    return interval.high - interval.low
