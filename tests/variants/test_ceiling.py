"""Ceilings: exact where they say so, and by enumeration where they bound."""

import math
from itertools import combinations

import pytest
import torch
from torch import Tensor

from icl_mlflow.episodes import Episodes
from icl_mlflow.evaluation import log_loss
from icl_mlflow.tasks import TASKS
from icl_mlflow.tasks.base import Task, with_parameters
from icl_mlflow.variants import VARIANTS
from icl_mlflow.variants.ceiling import ceiling

N_CONTEXT = 5


def small(task: str) -> tuple[Task, Episodes]:
    chosen = with_parameters(TASKS[task], {"dim": 2})
    return chosen, chosen.sample(40, N_CONTEXT, seed=2)


def enumerated(task: Task, episodes: Episodes, index: int) -> float:
    """Log-odds over both namings and all places of the labels, one by one."""
    only = episodes.rows(index, index + 1)
    llr = float(task.oracle_llr(only))
    context = [
        float(task.oracle_llr(place_query(only, only.context_x_BND[:, i])))
        for i in range(N_CONTEXT)
    ]
    n_one = int(only.context_y_BN.sum())
    odds = [0.0, 0.0]  # of y_q = 0 and y_q = 1, relative to class 0 everywhere
    for ones in combinations(range(N_CONTEXT), n_one):
        rest = set(range(N_CONTEXT)) - set(ones)
        as_named = math.exp(sum(context[i] for i in ones))
        renamed = math.exp(sum(context[i] for i in rest))
        odds[1] += as_named * math.exp(llr) + renamed
        odds[0] += as_named + renamed * math.exp(llr)
    return math.log(odds[1] / odds[0])


def place_query(episodes: Episodes, x_BD: Tensor) -> Episodes:
    return Episodes(
        context_x_BND=episodes.context_x_BND,
        context_y_BN=episodes.context_y_BN,
        query_x_BD=x_BD,
        query_y_B=episodes.query_y_B,
        latents=episodes.latents,
    )


@pytest.mark.parametrize("name", TASKS)
def test_the_bound_for_shuffled_labels_by_enumeration(name: str) -> None:
    task, episodes = small(name)
    bound = ceiling(VARIANTS["shuffled_labels"], task, episodes)
    assert not bound.is_exact
    expected = [enumerated(task, episodes, i) for i in range(len(episodes))]
    assert bound.logit_B.tolist() == pytest.approx(expected, abs=1e-9)
    assert max(map(abs, expected)) > 0.5


def test_shuffled_labels_in_equal_number_tell_nothing() -> None:
    episodes = TASKS["B"].sample(500, 8, seed=1)
    bound = ceiling(VARIANTS["shuffled_labels"], TASKS["B"], episodes)
    is_even_B = episodes.context_y_BN.sum(1) == 4
    assert is_even_B.sum() > 50
    assert not bound.logit_B[is_even_B].any()


@pytest.mark.parametrize("name", TASKS)
def test_shuffled_labels_lie_between_the_coin_and_bayes(name: str) -> None:
    episodes = TASKS[name].sample(2_000, 16, seed=1)
    loss = {
        variant: log_loss(
            ceiling(VARIANTS[variant], TASKS[name], episodes).logit_B,
            episodes.query_y_B,
        )
        for variant in ("baseline", "shuffled_labels", "no_labels")
    }
    assert loss["baseline"] + 0.05 < loss["shuffled_labels"]
    assert loss["shuffled_labels"] + 0.05 < loss["no_labels"]
    assert loss["no_labels"] == pytest.approx(math.log(2), abs=1e-12)


@pytest.mark.parametrize(
    "variant", ["baseline", "shuffled_context", "noisy_labels_0.4", "frozen_attention"]
)
def test_what_leaves_the_labels_alone_can_reach_bayes(variant: str) -> None:
    task, episodes = small("A")
    best = ceiling(VARIANTS[variant], task, episodes)
    assert best.is_exact
    assert torch.equal(best.logit_B, task.bayes_logit(episodes))


@pytest.mark.parametrize(
    ("variant", "is_exact"),
    [("no_labels+shuffled_context", True), ("shuffled_labels+no_position", False)],
)
def test_a_combination_has_the_ceiling_of_what_it_shows(
    variant: str, *, is_exact: bool
) -> None:
    task, episodes = small("A")
    part = variant.partition("+")[0]
    best = ceiling(VARIANTS[variant], task, episodes)
    assert best.is_exact == is_exact
    assert torch.equal(best.logit_B, ceiling(VARIANTS[part], task, episodes).logit_B)
