"""Contracts of every task whose Bayes predictor can do without the context's labels."""

from dataclasses import replace

import pytest
import torch

from icl_mlflow.tasks import TASKS
from icl_mlflow.tasks.base import knows_corrupted_labels, with_parameters
from icl_mlflow.tasks.labels import (
    known_when_flipped,
    known_when_shuffled,
    nothing_known,
)
from tests.tasks.labellings import KNOWN, seeded

#: What a task need not have is asked of those that have it.
every_that_knows = pytest.mark.parametrize(
    "task_name",
    [name for name, task in TASKS.items() if knows_corrupted_labels(task)],
)


@every_that_knows
def test_without_labels_the_answer_is_even(task_name: str) -> None:
    episodes = TASKS[task_name].sample(20, 32)
    logit_B = TASKS[task_name].corrupted_bayes_logit(
        episodes, nothing_known(episodes), seeded()
    )
    assert float(logit_B.abs().max()) < 1e-7


@every_that_knows
def test_the_contexts_own_labels_are_not_looked_at(task_name: str) -> None:
    task = with_parameters(TASKS[task_name], {"dim": 4})
    episodes = task.sample(20, 8)
    known = known_when_shuffled(episodes)
    blank = replace(episodes, context_y_BN=torch.zeros_like(episodes.context_y_BN))
    one, other = (
        task.corrupted_bayes_logit(seen, known, seeded()) for seen in (episodes, blank)
    )
    assert torch.equal(one, other)


@every_that_knows
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


@every_that_knows
def test_labels_that_hardly_lie_leave_the_bayes_predictor(task_name: str) -> None:
    task = with_parameters(TASKS[task_name], {"dim": 4})
    episodes = task.sample(50, 16)
    known = known_when_flipped(episodes, 1e-9)
    gap_B = task.corrupted_bayes_logit(episodes, known, seeded())
    gap_B = gap_B - task.bayes_logit(episodes)
    assert float(gap_B.square().mean().sqrt()) < 0.08


@every_that_knows
def test_an_empty_context_says_nothing(task_name: str) -> None:
    episodes = TASKS[task_name].sample(10, 0)
    known = known_when_shuffled(episodes)
    logit_B = TASKS[task_name].corrupted_bayes_logit(episodes, known, seeded())
    assert float(logit_B.abs().max()) < 1e-7
