"""With hidden labels, the posterior is the sum over all labellings.

The reference weighs every labelling of a small context by the exact Bayes predictor
alone: the odds between two labellings that differ at one point are what it answers when
asked for that point's label. So it holds for any task.
"""

import itertools
import math
from dataclasses import replace

import pytest
import torch
from torch import Generator, Tensor

from icl_mlflow.episodes import Episodes
from icl_mlflow.tasks import TASKS
from icl_mlflow.tasks.base import Task, with_parameters
from icl_mlflow.tasks.labels import (
    KnownLabels,
    known_when_flipped,
    known_when_shuffled,
    nothing_known,
)

KNOWN = {
    "nothing": nothing_known,
    "counts": known_when_shuffled,
    "flipped": lambda episodes: known_when_flipped(episodes, 0.1),
    "hardly flipped": lambda episodes: known_when_flipped(episodes, 1e-3),
}


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def by_enumeration(task: Task, episodes: Episodes, known: KnownLabels) -> Tensor:
    n_points = episodes.n_context + 1
    x_BSD = torch.cat([episodes.context_x_BND, episodes.query_x_BD[:, None]], dim=1)
    found: dict[int, list[Tensor]] = {0: [], 1: []}
    for labels in itertools.product((0, 1), repeat=n_points):
        log_p_B = (known.log_odds_BN * torch.tensor(labels[:-1])).sum(1)
        if known.ones_B is not None:
            log_p_B = log_p_B.where(known.ones_B == sum(labels[:-1]), -math.inf)
        now = torch.zeros(n_points, dtype=torch.int64)
        for i in (i for i in range(n_points) if labels[i]):
            others = [j for j in range(n_points) if j != i]
            asked = replace(
                episodes,
                context_x_BND=x_BSD[:, others],
                context_y_BN=now[others].expand(len(episodes), -1),
                query_x_BD=x_BSD[:, i],
            )
            log_p_B = log_p_B + task.bayes_logit(asked)
            now[i] = 1
        found[labels[-1]].append(log_p_B)
    return torch.stack(found[1]).logsumexp(0) - torch.stack(found[0]).logsumexp(0)


@pytest.mark.parametrize("what", KNOWN)
@pytest.mark.parametrize(
    ("task_name", "parameters", "error"),
    [
        ("A", {"dim": 1}, 1e-12),  # two directions: no Monte Carlo
        ("A", {"dim": 1, "tau": 0.0}, 1e-12),
        ("A", {"dim": 3}, 0.015),  # one call is 0.05 off; the mean of 32 is not
        ("A", {"dim": 3, "tau": 9.0}, 0.015),
        ("A", {"dim": 1, "separation": 2.0}, 1e-12),
        ("A", {"dim": 3, "separation": 0.5}, 0.015),
        ("B", {"dim": 3}, 1e-8),
        ("B", {"dim": 1, "sigma_min": 0.25, "sigma_max": 6.0}, 1e-8),
    ],
)
def test_it_is_the_sum_over_all_labellings(
    task_name: str, parameters: dict[str, float], error: float, what: str
) -> None:
    task = with_parameters(TASKS[task_name], parameters)
    episodes = task.sample(20, 4, seed=3)
    known = KNOWN[what](episodes)
    n_calls = 32 if error > 1e-3 else 1
    calls = [
        task.corrupted_bayes_logit(episodes, known, seeded(i)) for i in range(n_calls)
    ]
    gap_B = torch.stack(calls).mean(0) - by_enumeration(task, episodes, known)
    assert float(gap_B.square().mean().sqrt()) < error


@pytest.mark.parametrize("task_name", TASKS)
def test_without_labels_the_answer_is_even(task_name: str) -> None:
    episodes = TASKS[task_name].sample(20, 32)
    logit_B = TASKS[task_name].corrupted_bayes_logit(
        episodes, nothing_known(episodes), seeded()
    )
    assert float(logit_B.abs().max()) < 1e-7


@pytest.mark.parametrize("task_name", TASKS)
def test_the_contexts_own_labels_are_not_looked_at(task_name: str) -> None:
    task = with_parameters(TASKS[task_name], {"dim": 4})
    episodes = task.sample(20, 8)
    known = known_when_shuffled(episodes)
    blank = replace(episodes, context_y_BN=torch.zeros_like(episodes.context_y_BN))
    one, other = (
        task.corrupted_bayes_logit(seen, known, seeded()) for seen in (episodes, blank)
    )
    assert torch.equal(one, other)


@pytest.mark.parametrize("task_name", TASKS)
def test_exchanged_evidence_gets_the_opposite_answer(task_name: str) -> None:
    task = with_parameters(TASKS[task_name], {"dim": 4})
    episodes = task.sample(20, 8)
    exchanged = replace(episodes, context_y_BN=1 - episodes.context_y_BN)
    for evidence in KNOWN.values():
        torch.testing.assert_close(
            task.corrupted_bayes_logit(exchanged, evidence(exchanged), seeded()),
            -task.corrupted_bayes_logit(episodes, evidence(episodes), seeded()),
            rtol=1e-7,
            atol=1e-7,
        )


@pytest.mark.parametrize("task_name", TASKS)
def test_labels_that_hardly_lie_leave_the_bayes_predictor(task_name: str) -> None:
    task = with_parameters(TASKS[task_name], {"dim": 4})
    episodes = task.sample(50, 16)
    known = known_when_flipped(episodes, 1e-9)
    gap_B = task.corrupted_bayes_logit(episodes, known, seeded())
    gap_B = gap_B - task.bayes_logit(episodes)
    assert float(gap_B.square().mean().sqrt()) < 0.08


@pytest.mark.parametrize("task_name", TASKS)
def test_an_empty_context_says_nothing(task_name: str) -> None:
    episodes = TASKS[task_name].sample(10, 0)
    known = known_when_shuffled(episodes)
    logit_B = TASKS[task_name].corrupted_bayes_logit(episodes, known, seeded())
    assert float(logit_B.abs().max()) < 1e-7
