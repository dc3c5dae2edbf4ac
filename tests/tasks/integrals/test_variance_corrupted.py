"""Task B without its labels: the sum over all labellings, integrated over sigma."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from icl_mlflow.tasks.integrals.variance_corrupted import corrupted_logit
from icl_mlflow.tasks.labels import known_when_flipped
from icl_mlflow.tasks.variance import Variance
from tests.tasks.labellings import KNOWN, by_enumeration


@pytest.mark.parametrize("what", KNOWN)
@pytest.mark.parametrize(
    "task", [Variance(dim=3), Variance(dim=1, sigma_min=0.25, sigma_max=6.0)], ids=str
)
def test_it_is_the_sum_over_all_labellings(task: Variance, what: str) -> None:
    episodes = task.sample(20, 4, seed=3)
    known = KNOWN[what](episodes)
    found_B = corrupted_logit(task.sigma_min, task.sigma_max, episodes, known)
    expected_B = by_enumeration(task, episodes, known)
    torch.testing.assert_close(found_B, expected_B, rtol=0, atol=1e-8)


def test_the_nodes_resolve_a_wide_range() -> None:
    """Labels that hardly lie are labels: the answer is that of the Bayes predictor."""
    task = Variance(sigma_min=0.05, sigma_max=20.0)
    episodes = task.sample(2, 32)
    known = known_when_flipped(episodes, 1e-12)
    found_B = corrupted_logit(task.sigma_min, task.sigma_max, episodes, known)
    torch.testing.assert_close(found_B, task.bayes_logit(episodes), rtol=0, atol=1e-3)


def on_a_grid(task: Variance, x_SD: Tensor, rate: float, label_N: Tensor) -> Tensor:
    """The answer to one episode by the midpoint rule, 300 sigmas a class."""
    width = (task.sigma_max - task.sigma_min) / 300
    sigma_G = task.sigma_min + width * (torch.arange(300).double() + 0.5)
    log_density_SG = -task.dim * sigma_G.log() - x_SD.double().square().sum(
        1, keepdim=True
    ) / (2 * sigma_G.square())
    *context, query_G = log_density_SG
    odds = math.log((1 - rate) / rate)
    total_GG = torch.zeros(300, 300, dtype=torch.float64)
    for density_G, label in zip(context, label_N.tolist(), strict=True):
        log_odds = torch.tensor(odds if label else -odds, dtype=torch.float64)
        zero_G1 = (density_G + logsigmoid(-log_odds)).unsqueeze(1)
        one_1G = (density_G + logsigmoid(log_odds)).unsqueeze(0)
        total_GG = total_GG + torch.logaddexp(zero_G1, one_1G)
    if_one = (total_GG + query_G.unsqueeze(0)).logsumexp((0, 1))
    return if_one - (total_GG + query_G.unsqueeze(1)).logsumexp((0, 1))


def test_the_nodes_resolve_the_papers_size() -> None:
    """33 points in 16 dimensions: a posterior of sigma 3 % wide."""
    task = Variance()
    episodes = task.sample(3, 32)
    known = known_when_flipped(episodes, 0.2)
    found_B = corrupted_logit(task.sigma_min, task.sigma_max, episodes, known)
    x_BSD = torch.cat([episodes.context_x_BND, episodes.query_x_BD[:, None]], dim=1)
    expected_B = torch.stack(
        [
            on_a_grid(task, x_SD, 0.2, label_N)
            for x_SD, label_N in zip(x_BSD, episodes.context_y_BN, strict=True)
        ]
    )
    torch.testing.assert_close(found_B, expected_B, rtol=0, atol=1e-4)
