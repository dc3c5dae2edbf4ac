"""A pool of few latents: who is in it, and the exact posterior over them."""

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import norm
from torch import Generator, Tensor

from icl_mlflow.episodes import Episodes
from icl_mlflow.tasks import TASKS
from icl_mlflow.tasks.base import Task, with_parameters
from icl_mlflow.tasks.shifted_mean import ShiftedMean
from icl_mlflow.tasks.wrappers.finite_pool import FinitePool
from tests.tasks.labellings import KNOWN, by_enumeration, seeded


def pooled(name: str, pool: int, **changes: float) -> FinitePool:
    task: Task = with_parameters(TASKS[name], {"pool": pool, **changes})
    assert isinstance(task, FinitePool)
    return task


def densities(name: str, members: dict[str, np.ndarray], m: int, y: int) -> norm:
    """The law of a point of a class, of one member."""
    if name == "A":
        return norm(members["shift"][m] + (2 * y - 1) * members["mu"][m])
    return norm(0, members["sigma"][m, y])


def by_brute_force(name: str, pool: FinitePool, episodes: Episodes) -> list[float]:
    """Every member's density of every point, multiplied up; one by one."""
    members = {k: v.double().numpy() for k, v in pool.members.items()}
    x_BND = episodes.context_x_BND.double().numpy()
    found = []
    for b in range(len(episodes)):
        joint: dict[int, list[float]] = {0: [], 1: []}
        for m in range(pool.pool):
            context = sum(
                densities(name, members, m, int(y)).logpdf(x).sum()
                for x, y in zip(x_BND[b], episodes.context_y_BN[b], strict=True)
            )
            query = episodes.query_x_BD[b].double().numpy()
            for y in (0, 1):
                density = densities(name, members, m, y).logpdf(query).sum()
                joint[y].append(context + density)
        found.append(float(logsumexp(joint[1]) - logsumexp(joint[0])))
    return found


@pytest.mark.parametrize("name", ["A", "B"])
def test_bayes_is_the_mixture_over_the_members(name: str) -> None:
    pool = pooled(name, 7, dim=3)
    # Of the whole prior, so that no member fits well.
    for n_context, task in ((5, pool), (2, with_parameters(TASKS[name], {"dim": 3}))):
        episodes = task.sample(20, n_context, stream="test")
        found_B = pool.bayes_logit(episodes)
        expected = by_brute_force(name, pool, episodes)
        np.testing.assert_allclose(found_B.numpy(), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", TASKS)
def test_a_pool_of_one_is_known_beforehand(name: str) -> None:
    pool = pooled(name, 1)
    episodes = pool.sample(100, 4)
    torch.testing.assert_close(
        pool.bayes_logit(episodes), pool.oracle_llr(episodes), rtol=1e-9, atol=1e-9
    )


@dataclass(frozen=True)
class Listed(ShiftedMean):
    """Task A with latents by a list: the first member's, the second's, ..."""

    order: str = ""

    def draw_latents(self, n_episodes: int, rng: Generator) -> dict[str, Tensor]:
        drawn = super().draw_latents(3, rng)
        chosen = torch.tensor([int(digit) for digit in self.order[:n_episodes]])
        return {name: value[chosen] for name, value in drawn.items()}


def test_the_order_of_the_pool_does_not_matter_and_duplicates_weigh() -> None:
    episodes = TASKS["A"].sample(40, 1)
    one, other, twice = (
        FinitePool(Listed(order=order), len(order), 0).bayes_logit(episodes)
        for order in ("012", "201", "0120")
    )
    torch.testing.assert_close(one, other)
    assert float((one - twice).abs().max()) > 1e-3
    doubled = FinitePool(Listed(order="001122"), 6, 0).bayes_logit(episodes)
    torch.testing.assert_close(one, doubled)


def test_episodes_are_of_the_members_in_equal_shares() -> None:
    pool = pooled("B", 5)
    sigma_B2 = pool.sample(5_000, 1).latents["sigma"]
    members, counts = sigma_B2.unique(dim=0, return_counts=True)
    assert len(members) == 5
    expected, found = (
        {tuple(row) for row in each.tolist()}
        for each in (pool.members["sigma"], members)
    )
    assert expected == found
    assert (counts / 5_000).tolist() == pytest.approx([0.2] * 5, abs=0.02)


def test_a_seed_is_a_pool_whatever_is_drawn_beside_it() -> None:
    first = pooled("A", 8).sample(20, 3, seed=5, step=2)
    again = pooled("A", 8).sample(20, 3, seed=5, step=2)
    assert torch.equal(first.context_x_BND, again.context_x_BND)
    other = pooled("A", 8, pool_seed=1).members["mu"]
    assert not torch.isclose(other, pooled("A", 8).members["mu"]).any()


def test_its_members_move_along_with_the_parameters() -> None:
    """So a curriculum and a shift are of the same pool."""
    pool, wide = pooled("A", 8), pooled("A", 8, tau=9)
    assert torch.equal(pool.members["mu"], wide.members["mu"])
    torch.testing.assert_close(wide.members["shift"], 3 * pool.members["shift"])
    assert with_parameters(pool, pool.shifts["out_of_pool"]) == TASKS["A"]


def test_many_episodes_and_members_are_answered_in_parts() -> None:
    pool = pooled("A", 4_096)
    episodes = pool.sample(600, 2)
    found_B = pool.bayes_logit(episodes)
    one_B = torch.cat([pool.bayes_logit(episodes.rows(i, i + 1)) for i in range(9)])
    torch.testing.assert_close(found_B[:9], one_B, rtol=1e-9, atol=1e-9)
    assert pool.bayes_logit(episodes.rows(0, 0)).shape == (0,)


@pytest.mark.parametrize("evidence", KNOWN)
@pytest.mark.parametrize("name", ["A", "B"])
def test_hidden_labels_are_summed_over(name: str, evidence: str) -> None:
    pool = pooled(name, 5, dim=2)
    episodes = pool.sample(12, 4)
    known = KNOWN[evidence](episodes)
    torch.testing.assert_close(
        pool.corrupted_bayes_logit(episodes, known, seeded()),
        by_enumeration(pool, episodes, known),
        rtol=1e-6,
        atol=1e-6,
    )


def test_the_plug_in_trusts_the_likeliest_member() -> None:
    pool = pooled("A", 6, tau=0.1)
    episodes = pool.sample(200, 20)
    plug_in_B = pool.plug_in_logit(episodes)
    likelihood_BM = pool.log_likelihood(
        episodes.context_x_BND, episodes.context_y_BN, pool.members
    )
    for m in range(6):
        its_own = likelihood_BM.argmax(1) == m
        mu_D, shift_D = pool.members["mu"][m], pool.members["shift"][m]
        expected = 2 * (episodes.query_x_BD[its_own] - shift_D) @ mu_D
        torch.testing.assert_close(plug_in_B[its_own].float(), expected)
    assert not pool.plug_in_logit(episodes.first(0)).any()


def test_the_oracle_is_that_of_the_members() -> None:
    pool = pooled("B", 3)
    pairs = zip(*pool.members["sigma"].double().numpy().T, strict=True)
    rng, right = np.random.default_rng(0), []
    for sigma_0, sigma_1 in pairs:
        for y, sigma in ((0, sigma_0), (1, sigma_1)):
            square = sigma**2 * rng.chisquare(16, 200_000)
            llr = 16 * math.log(sigma_0 / sigma_1)
            llr = llr + square / 2 * (sigma_0**-2 - sigma_1**-2)
            right.append(np.mean((llr > 0) == y))
    assert pool.oracle().accuracy == pytest.approx(np.mean(right), abs=1.5e-3)
    assert pooled("A", 3).oracle().accuracy == TASKS["A"].oracle().accuracy


def test_bayes_of_the_pool_sees_neither_the_answer_nor_the_latents() -> None:
    pool = pooled("A", 16)
    episodes = pool.sample(20, 4)
    hidden = replace(episodes, query_y_B=1 - episodes.query_y_B, latents={})
    assert torch.equal(pool.bayes_logit(hidden), pool.bayes_logit(episodes))
