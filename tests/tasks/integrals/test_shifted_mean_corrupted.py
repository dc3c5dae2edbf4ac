"""Task A without its labels: the sum over all labellings, within the stated error."""

import math

import pytest
import torch

from icl_mlflow.evaluation import expected_accuracy, expected_loss
from icl_mlflow.tasks.integrals.shifted_mean_corrupted import corrupted_logit
from icl_mlflow.tasks.labels import known_when_flipped, known_when_shuffled
from icl_mlflow.tasks.shifted_mean import ShiftedMean
from tests.tasks.labellings import KNOWN, by_enumeration, seeded


@pytest.mark.parametrize("what", KNOWN)
@pytest.mark.parametrize("parameters", [{}, {"tau": 0.0}, {"separation": 2.0}], ids=str)
def test_on_a_line_it_is_exact(parameters: dict[str, float], what: str) -> None:
    """There are two directions, and both are drawn: no Monte Carlo."""
    task = ShiftedMean(dim=1, **parameters)
    episodes = task.sample(20, 4, seed=3)
    known = KNOWN[what](episodes)
    found_B = corrupted_logit(task.tau, task.separation, episodes, known, seeded())
    expected_B = by_enumeration(task, episodes, known)
    torch.testing.assert_close(found_B, expected_B, rtol=0, atol=1e-11)


@pytest.mark.parametrize("what", KNOWN)
@pytest.mark.parametrize("parameters", [{}, {"tau": 9.0}, {"separation": 0.5}], ids=str)
def test_in_space_many_draws_approach_it(
    parameters: dict[str, float], what: str
) -> None:
    """One call is 0.05 off; the mean of 32 is not."""
    task = ShiftedMean(dim=3, **parameters)
    episodes = task.sample(20, 4, seed=3)
    known = KNOWN[what](episodes)
    calls = [
        corrupted_logit(task.tau, task.separation, episodes, known, seeded(i))
        for i in range(32)
    ]
    gap_B = torch.stack(calls).mean(0) - by_enumeration(task, episodes, known)
    assert float(gap_B.square().mean().sqrt()) < 0.015


def test_at_the_papers_size_its_error_is_the_stated_one() -> None:
    """About 0.1 nats in a log-odds and below .002 in mean scores, of each draw."""
    task = ShiftedMean()
    episodes = task.sample(200, 32)
    known = known_when_flipped(episodes, 0.4)
    one_B, other_B = (
        corrupted_logit(task.tau, task.separation, episodes, known, seeded(seed))
        for seed in (0, 1)
    )
    spread = float((one_B - other_B).square().mean().sqrt())
    assert 0.02 < spread < 2 * math.sqrt(2) * 0.1
    for score in (expected_loss, lambda logit_B: expected_accuracy(logit_B, logit_B)):
        assert abs(float((score(one_B) - score(other_B)).mean())) < math.sqrt(2) * 0.002


def test_the_generator_alone_decides_the_draws() -> None:
    task = ShiftedMean(dim=3)
    episodes = task.sample(40, 8)  # more than a chunk
    known = known_when_shuffled(episodes)
    before = torch.get_rng_state()
    calls = [corrupted_logit(3.0, 1.0, episodes, known, seeded(s)) for s in (0, 0, 1)]
    assert torch.equal(calls[0], calls[1])
    assert not torch.equal(calls[0], calls[2])
    assert torch.equal(torch.get_rng_state(), before)
