"""Contracts that every estimator keeps on every task, also the one you add next."""

import functools
import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from icl_mlflow.episodes import Episodes
from icl_mlflow.estimators import ESTIMATORS
from icl_mlflow.estimators.base import Estimator, estimate
from icl_mlflow.estimators.tuning import Calibrated
from icl_mlflow.evaluation import (
    evaluation_set,
    excess_risk,
    expected_loss,
    log_loss,
)
from icl_mlflow.tasks import TASKS
from icl_mlflow.tasks.base import NotKnownError, Task, with_parameters

N_CONTEXT = 12


@functools.cache
def small(task_name: str) -> Task:
    return with_parameters(TASKS[task_name], {"dim": 4})


@functools.cache
def drawn(task_name: str, n_episodes: int = 200) -> Episodes:
    return small(task_name).sample(n_episodes, N_CONTEXT, stream="test")


def is_offered(name: str, task_name: str) -> bool:
    """Whether the task knows what the estimator asks of it."""
    try:
        ESTIMATORS[name](small(task_name), drawn(task_name))
    except NotKnownError:
        return False
    return True


#: Every task has its own of these. Of the other rules each is tried on a third of the
#: tasks, and each task by a third of the rules: they look at no task.
OF_THE_TASK = ("bayes", "oracle", "plug_in")

pytestmark = pytest.mark.parametrize(
    ("name", "task_name"),
    [
        (name, task)
        for row, name in enumerate(ESTIMATORS.working())
        for column, task in enumerate(TASKS.working())
        if name in OF_THE_TASK or (row + column) % 3 == 0
        if is_offered(name, task)
    ],
)


def answers(name: str, task_name: str, episodes: Episodes) -> Tensor:
    return ESTIMATORS[name](small(task_name), episodes)


def calibrated(name: str) -> Estimator:
    estimator = ESTIMATORS[name]
    return estimator if estimator.is_calibrated else Calibrated(estimator)


def test_answers_are_finite_float64_one_an_episode(name: str, task_name: str) -> None:
    logit_B = answers(name, task_name, drawn(task_name))
    assert logit_B.shape == (200,)
    assert logit_B.dtype == torch.float64
    assert logit_B.isfinite().all()
    assert logit_B.std() > 0


def test_it_says_what_it_asks(name: str, task_name: str) -> None:
    del task_name
    assert ESTIMATORS[name].question.endswith("?")
    assert Calibrated(ESTIMATORS[name]).question == ESTIMATORS[name].question


def test_the_same_episodes_get_the_same_answers(name: str, task_name: str) -> None:
    episodes = drawn(task_name)
    first = answers(name, task_name, episodes)
    assert torch.equal(first, answers(name, task_name, episodes))
    # In chunks, sums may run in another order.
    many = drawn(task_name, 1_200)
    torch.testing.assert_close(
        estimate(ESTIMATORS[name], small(task_name), many),
        answers(name, task_name, many),
        rtol=1e-9,
        atol=1e-9,
    )


def test_the_order_of_the_context_means_nothing(name: str, task_name: str) -> None:
    episodes = drawn(task_name)
    order_N = torch.randperm(N_CONTEXT, generator=torch.Generator().manual_seed(0))
    permuted = replace(
        episodes,
        context_x_BND=episodes.context_x_BND[:, order_N],
        context_y_BN=episodes.context_y_BN[:, order_N],
    )
    torch.testing.assert_close(
        answers(name, task_name, permuted),
        answers(name, task_name, episodes),
        rtol=1e-9,
        atol=1e-9,
    )


def test_exchanged_labels_get_the_opposite_answer(name: str, task_name: str) -> None:
    if name == "oracle":
        pytest.skip("it does not read the labels")
    episodes = drawn(task_name)
    exchanged = replace(episodes, context_y_BN=1 - episodes.context_y_BN)
    torch.testing.assert_close(
        answers(name, task_name, exchanged),
        -answers(name, task_name, episodes),
        rtol=1e-9,
        atol=1e-9,
    )


def test_the_querys_own_label_is_not_looked_at(name: str, task_name: str) -> None:
    episodes = drawn(task_name)
    other = replace(episodes, query_y_B=1 - episodes.query_y_B)
    assert torch.equal(
        answers(name, task_name, other), answers(name, task_name, episodes)
    )


@pytest.mark.parametrize("n_context", [0, 1, 2, 12])
@pytest.mark.parametrize("only", [None, 0, 1])
def test_poor_contexts_get_finite_answers(
    name: str, task_name: str, n_context: int, only: int | None
) -> None:
    episodes = drawn(task_name).first(n_context)
    if only is not None:
        same_BN = torch.full_like(episodes.context_y_BN, only)
        episodes = replace(episodes, context_y_BN=same_BN)
    for estimator in (ESTIMATORS[name], calibrated(name)):
        logit_B = estimator(small(task_name), episodes)
        assert logit_B.isfinite().all()
        if n_context == 0 and name != "oracle":
            assert (logit_B == 0).all()


def test_repeated_points_get_finite_answers(name: str, task_name: str) -> None:
    episodes = drawn(task_name)
    repeated_BND = episodes.context_x_BND[:, :1].expand_as(episodes.context_x_BND)
    for x_BND in (repeated_BND, torch.zeros_like(repeated_BND)):
        same = replace(episodes, context_x_BND=x_BND)
        assert answers(name, task_name, same).isfinite().all()


def test_no_learner_beats_bayes(name: str, task_name: str) -> None:
    if name in {"bayes", "oracle"}:
        pytest.skip("it is Bayes, or knows more than the context")
    task, episodes = small(task_name), drawn(task_name, 4_000)
    truth = evaluation_set(task, episodes)
    logit_B = estimate(calibrated(name), task, episodes)
    sign_B = 2 * truth.label_B - 1
    gained_B = (sign_B * truth.bayes_B).sigmoid().log()
    gained_B = gained_B - (sign_B * logit_B).sigmoid().log()
    error = float(gained_B.std()) / math.sqrt(len(episodes))
    assert float(gained_B.mean()) > -3 * error
    # What it loses is its excess risk, the same thing measured more precisely.
    excess = float(excess_risk(logit_B, truth.bayes_B).mean())
    assert float(gained_B.mean()) == pytest.approx(excess, abs=3 * error)


def test_calibrated_answers_are_no_worse_than_none(name: str, task_name: str) -> None:
    task, episodes = small(task_name), drawn(task_name, 4_000)
    logit_B = estimate(calibrated(name), task, episodes)
    loss = log_loss(logit_B, episodes.query_y_B)
    if name != "oracle":  # what a context allows to expect is known without chance
        bayes_B = task.bayes_logit(episodes)
        loss_B = expected_loss(bayes_B) + excess_risk(logit_B, bayes_B)
        loss = float(loss_B.mean())
    assert loss < math.log(2) + 0.001
