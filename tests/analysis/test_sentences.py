"""Ends of an interval are the range of few seeds, and hold the median of six."""

import math

import pytest

from icl_mlflow.analysis.sentences import band_meaning, seeds_phrase
from icl_mlflow.statistics import Interval, order_interval


@pytest.mark.parametrize(
    ("n", "told"),
    [
        (1, "1 seed"),
        (2, "2 seeds: 0.10 to 0.20"),
        (5, "5 seeds: 0.10 to 0.20"),
        # Sorted values 1 and 6 of 6 miss the median with chance 2 * 2^-6.
        (6, "median of 6 seeds: 0.10 to 0.20, 97 %"),
        # Values 2 and 8 of 9: 1 - 2 * (1 + 9) / 2^9 = .961.
        (9, "median of 9 seeds: 0.10 to 0.20, 96 %"),
    ],
)
def test_seeds_are_told_with_the_chance_that_their_interval_has(
    n: int, told: str
) -> None:
    ends = (math.nan, math.nan) if n == 1 else (0.1, 0.2)
    assert seeds_phrase(Interval(0.15, *ends, n), digits=2) == told


def test_from_six_seeds_on_a_band_is_narrower_than_the_range() -> None:
    """As captions say: the range of few seeds, where the median lies of many."""
    assert band_meaning(5) == "range of the seeds"
    assert band_meaning(9) == "where the median lies, 96 %"
    assert order_interval(range(5)).high == 4
    assert order_interval(range(9)).high == 7
