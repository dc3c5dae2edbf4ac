"""The memorising share of predictors whose strategy is known."""

import math

import pytest
import torch
from torch import Tensor

from icl_mlflow.analysis.diversity.measure import INSIDE, OUTSIDE, populations
from icl_mlflow.analysis.diversity.strategy import divergence, strategy
from icl_mlflow.tasks import TASKS
from icl_mlflow.tasks.base import with_parameters

TASK = with_parameters(TASKS["A"], {"pool": 16, "dim": 4})


@pytest.fixture(scope="module", params=[INSIDE, OUTSIDE])
def both(request: pytest.FixtureRequest) -> tuple[Tensor, Tensor]:
    """The answers of Bayes under the pool, and under the prior."""
    each = populations(TASK, 400, 6, seed=0)
    (found,) = (one for one in each if one.where == request.param)
    return found.pool_B, found.prior_B


def test_each_bayes_predictor_is_at_its_corner(both: tuple[Tensor, Tensor]) -> None:
    pool_B, prior_B = both
    memorises, generalises = (strategy(one_B, *both) for one_B in (pool_B, prior_B))
    for found, corner in ((memorises, 1.0), (generalises, 0.0)):
        assert found["share"] == found["share_low"] == found["share_high"] == corner
    assert memorises["relative"] == 1 == -generalises["relative"]
    assert memorises["to_pool"] == 0 < memorises["to_prior"] == memorises["apart"]


def test_mixtures_lie_between_them_in_their_order(both: tuple[Tensor, Tensor]) -> None:
    pool_B, prior_B = both
    weights = [0.1, 0.3, 0.5, 0.7, 0.9]
    mixed = [
        strategy((w * pool_B.sigmoid() + (1 - w) * prior_B.sigmoid()).logit(), *both)
        for w in weights
    ]
    shares = [found["share"] for found in mixed]
    assert shares[0] > 0
    assert shares == sorted(shares)
    assert shares[-1] < 1
    for found in mixed:
        assert found["share_low"] < found["share"] < found["share_high"]


def test_who_is_far_from_both_is_clipped_and_said_to_be() -> None:
    pool_B, prior_B = torch.ones(50), torch.zeros(50)
    found = strategy(torch.full((50,), 9.0), pool_B, prior_B)
    assert found["relative"] > 1
    assert found["share"] == 1


def test_predictors_that_agree_are_not_told_apart() -> None:
    found = strategy(torch.ones(50), torch.ones(50), torch.ones(50) + 1e-4)
    assert found["apart"] < 0.001
    assert math.isnan(found["share"])
    assert math.isnan(found["relative"])


def test_the_divergence_is_the_mean_of_both_directions() -> None:
    one, other = torch.tensor([2.0]).double(), torch.tensor([-0.5]).double()
    p, q = one.sigmoid(), other.sigmoid()

    def kl(a: Tensor, b: Tensor) -> Tensor:
        return a * (a / b).log() + (1 - a) * ((1 - a) / (1 - b)).log()

    torch.testing.assert_close(divergence(one, other), (kl(p, q) + kl(q, p)) / 2)
