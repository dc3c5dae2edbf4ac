"""What corrupted labels tell is counted right."""

import math

import pytest
import torch
from scipy import stats

from icl_mlflow.tasks import TASKS
from icl_mlflow.tasks.labels import (
    count_probabilities,
    known_when_flipped,
    known_when_shuffled,
    nothing_known,
)


def test_equal_labels_are_counted_as_a_binomial() -> None:
    log_odds_BNP = torch.full((1, 12, 1), math.log(0.3 / 0.7), dtype=torch.float64)
    counted = count_probabilities(log_odds_BNP)[0, :, 0]
    expected = torch.from_numpy(stats.binom.pmf(range(13), 12, 0.3))
    torch.testing.assert_close(counted, expected, rtol=1e-12, atol=0.0)


def test_unequal_labels_are_counted_as_all_labellings_say() -> None:
    log_odds_N = torch.tensor([-3.0, 0.5, 40.0], dtype=torch.float64)
    one_N = log_odds_N.sigmoid()
    expected = torch.zeros(4, dtype=torch.float64)
    for labels in torch.cartesian_prod(*[torch.arange(2)] * 3):
        expected[labels.sum()] += torch.where(labels == 1, one_N, 1 - one_N).prod()
    counted = count_probabilities(log_odds_N[None, :, None])[0, :, 0]
    torch.testing.assert_close(counted, expected, rtol=1e-12, atol=1e-16)


def test_no_labels_are_none_that_are_one() -> None:
    assert count_probabilities(torch.zeros(2, 0, 3)).tolist() == [[[1.0] * 3]] * 2


def test_what_is_known() -> None:
    episodes = TASKS["A"].sample(6, 5)
    assert (nothing_known(episodes).log_odds_BN == 0).all()
    assert nothing_known(episodes).ones_B is None
    shuffled = known_when_shuffled(episodes)
    assert (shuffled.log_odds_BN == 0).all()
    assert shuffled.ones_B is not None
    assert torch.equal(shuffled.ones_B, episodes.context_y_BN.sum(1))
    flipped = known_when_flipped(episodes, 0.1)
    is_one_BN = episodes.context_y_BN == 1
    expected_BN = torch.where(is_one_BN, math.log(9), -math.log(9)).double()
    torch.testing.assert_close(flipped.log_odds_BN, expected_BN)
    assert flipped.ones_B is None
    assert torch.equal(shuffled.rows(2, 4).ones_B, shuffled.ones_B[2:4])


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1])
def test_a_flip_rate_is_a_probability(rate: float) -> None:
    with pytest.raises(ValueError, match="flip_rate must be between 0 and 1"):
        known_when_flipped(TASKS["A"].sample(2, 3), rate)
