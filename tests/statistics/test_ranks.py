"""Ranks are scipy's."""

import numpy as np
from scipy import stats

from icl_mlflow.statistics.ranks import average_ranks


def test_ranks_are_scipys_ties_and_all() -> None:
    values = np.random.default_rng(0).integers(0, 20, 100) / 7
    np.testing.assert_array_equal(average_ranks(values), stats.rankdata(values))


def test_equal_values_share_the_mean_of_their_places() -> None:
    assert average_ranks([0.5, 0.1, 0.5, 0.5, 0.9]).tolist() == [3, 1, 3, 3, 5]
