"""Power is that of the t-test which is really done."""

import math

import numpy as np
import pytest

from icl_mlflow.statistics import (
    detectable_difference,
    paired_t,
    power,
    seeds_needed,
    seeds_needed_range,
)


@pytest.mark.parametrize(("effect", "seeds"), [(0.2, 199), (0.5, 34), (0.8, 15)])
def test_seeds_needed_as_in_the_tables(effect: float, seeds: int) -> None:
    # Cohen's small, medium and large effect, paired t-test, power .8, level .05.
    assert seeds_needed(sd=1.0, difference=effect) == seeds


def test_seeds_needed_are_the_fewest() -> None:
    n = seeds_needed(sd=0.02, difference=0.01, power=0.9, level=0.99)
    assert power(n - 1, 0.02, 0.01, 0.99) < 0.9 <= power(n, 0.02, 0.01, 0.99)


def test_a_huge_difference_still_needs_two_seeds() -> None:
    assert seeds_needed(sd=1e-3, difference=-5.0) == 2


def test_power_is_how_often_the_test_finds_the_difference() -> None:
    rng = np.random.default_rng(0)
    n_suites = 2_000
    suites = 0.01 + 0.01 * rng.normal(size=(n_suites, 4))
    found = np.mean([paired_t(suite).p <= 0.05 for suite in suites])
    expected = power(4, sd=0.01, difference=0.01)
    error = math.sqrt(expected * (1 - expected) / n_suites)
    assert found == pytest.approx(expected, abs=3 * error)


@pytest.mark.parametrize("n", [2, 3, 10, 1_000])
def test_the_detectable_difference_has_the_power_asked_for(n: int) -> None:
    difference = detectable_difference(sd=0.3, n=n)
    assert power(n, 0.3, difference) == pytest.approx(0.8)


def test_one_seed_can_show_nothing() -> None:
    assert math.isnan(detectable_difference(sd=0.3, n=1))
    assert math.isnan(power(1, 0.3, 1.0))


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="difference must be finite and not 0"):
        seeds_needed(sd=1.0, difference=0.0)
    with pytest.raises(ValueError, match="sd must be finite and above 0, not 0"):
        detectable_difference(sd=0.0, n=3)
    with pytest.raises(ValueError, match="power must be between 0 and 1, not 80"):
        seeds_needed(sd=1.0, difference=1.0, power=80)
    with pytest.raises(ValueError, match="must exceed 1 - level"):
        detectable_difference(sd=1.0, n=3, power=0.04)


def test_the_range_of_seeds_holds_the_true_number() -> None:
    rng = np.random.default_rng(1)
    truth, held = seeds_needed(sd=0.02, difference=0.01), []
    for _ in range(400):
        sd = float(rng.normal(scale=0.02, size=5).std(ddof=1))
        low, high = seeds_needed_range(sd, 5, 0.01)
        held.append(low <= truth <= high)
    assert np.mean(held) >= 0.9 - 3 * math.sqrt(0.09 / 400)
