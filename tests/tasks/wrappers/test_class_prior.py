"""Labels that are no fair coins: their law, and what is exactly known of them."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from scipy.special import betainc, ndtr
from scipy.stats import beta, kstest

from icl_mlflow.episodes import Episodes
from icl_mlflow.evaluation import ece, log_loss
from icl_mlflow.tasks import TASKS
from icl_mlflow.tasks.base import NotKnownError, Task, with_parameters
from icl_mlflow.tasks.labels import (
    KnownLabels,
    known_when_flipped,
    known_when_shuffled,
    nothing_known,
)
from tests.tasks.labellings import by_enumeration, seeded

N_EPISODES = 4_000


def uneven(task: str, prior: float, concentration: float = 0.0) -> Task:
    changes = {"prior": prior, "prior_concentration": concentration}
    return with_parameters(TASKS[task], changes)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("rate", [0.1, 0.8])
def test_labels_have_the_rate_that_was_asked_for(task: str, rate: float) -> None:
    episodes = uneven(task, rate).sample(5 * N_EPISODES, 8)
    for label in (episodes.query_y_B, episodes.context_y_BN):
        error = math.sqrt(rate * (1 - rate) / label.numel())
        assert float(label.double().mean()) == pytest.approx(rate, abs=3 * error)
    # Independent of each other: the query's label and the context's.
    pair = torch.stack([episodes.query_y_B, episodes.context_y_BN[:, 0]]).double()
    assert abs(float(torch.corrcoef(pair)[0, 1])) < 3 / math.sqrt(5 * N_EPISODES)


def test_the_episodes_priors_are_drawn_from_their_beta_distribution() -> None:
    episodes = uneven("A", 0.25, 8.0).sample(N_EPISODES, 400)
    prior_B = episodes.latents["prior"]
    assert kstest(prior_B.numpy(), beta(2, 6).cdf).pvalue > 1e-3
    share_B = episodes.context_y_BN.double().mean(1)
    error_B = (prior_B * (1 - prior_B) / 400).sqrt()
    assert float(((share_B - prior_B) / error_B).square().mean()) == pytest.approx(
        1, abs=3 * math.sqrt(2 / N_EPISODES)
    )


@pytest.mark.parametrize("task", TASKS)
def test_the_law_of_x_given_its_label_is_as_it_was(task: str) -> None:
    """E[exp(-LLR) | y = 1] = 1 for the true law, and E[exp(LLR) | y = 0] = 1.

    In its bounded form: the oracle's posterior at the true rate predicts the labels.
    """
    episodes = uneven(task, 0.8).sample(N_EPISODES, 8)
    p_B = (TASKS[task].oracle_llr(episodes) + math.log(4)).sigmoid()
    error_B = episodes.query_y_B.double() - p_B
    for weight_B in (torch.ones_like(p_B), p_B):
        value_B = error_B * weight_B
        standard_error = float(value_B.std()) / math.sqrt(N_EPISODES)
        assert abs(float(value_B.mean())) < 3 * standard_error


@pytest.mark.parametrize("task", TASKS)
def test_bayes_that_knows_the_rate_is_calibrated_and_the_fair_one_is_not(
    task: str,
) -> None:
    episodes = uneven(task, 0.8).sample(20_000, 8)
    label_B = episodes.query_y_B.double()
    fair_B = TASKS[task].bayes_logit(episodes)
    knowing_B = uneven(task, 0.8).bayes_logit(episodes)
    assert ece(knowing_B, label_B) <= 0.012
    assert ece(fair_B, label_B) > 0.05
    assert log_loss(knowing_B, label_B) < log_loss(fair_B, label_B)


def test_without_context_bayes_answers_with_the_prior() -> None:
    """Log a / b."""
    beta_B = uneven("B", 0.2, 5.0).bayes_logit(TASKS["B"].sample(9, 0))
    known_B = uneven("B", 0.2).bayes_logit(TASKS["B"].sample(9, 0))
    for logit_B in (beta_B, known_B):
        torch.testing.assert_close(logit_B, torch.full_like(logit_B, math.log(1 / 4)))


def test_an_unknown_prior_is_learned_from_the_labels() -> None:
    """The posterior of a label is that of a coin of unknown bias: by integration."""
    episodes = TASKS["A"].sample(50, 6)
    task = uneven("A", 0.4, 3.0)
    told_B = task.bayes_logit(episodes) - TASKS["A"].bayes_logit(episodes)
    grid = torch.linspace(0, 1, 200_001, dtype=torch.float64)[1:-1]
    density = torch.from_numpy(beta(1.2, 1.8).pdf(grid.numpy()))
    for ones in range(7):
        weight = density * grid**ones * (1 - grid) ** (6 - ones)
        odds = float((weight * grid).sum() / (weight * (1 - grid)).sum())
        found_B = told_B[episodes.context_y_BN.sum(1) == ones]
        assert found_B.tolist() == pytest.approx([math.log(odds)] * len(found_B), 1e-3)


@pytest.mark.parametrize("name", ["A", "B"])
@pytest.mark.parametrize(
    "known", [nothing_known, known_when_shuffled, lambda e: known_when_flipped(e, 0.2)]
)
def test_hidden_labels_are_summed_over_with_their_prior(
    name: str, known: Callable[[Episodes], KnownLabels]
) -> None:
    task = with_parameters(uneven(name, 0.2), {"dim": 3})
    episodes = task.sample(12, 4)
    found_B = task.corrupted_bayes_logit(episodes, known(episodes), seeded())
    expected_B = by_enumeration(task, episodes, known(episodes))
    assert float((found_B - expected_B).square().mean().sqrt()) < 0.05


def test_how_many_labels_are_one_is_all_that_an_unknown_prior_needs() -> None:
    task = with_parameters(uneven("B", 0.2, 5.0), {"dim": 3})
    episodes = task.sample(12, 4)
    known = known_when_shuffled(episodes)
    found_B = task.corrupted_bayes_logit(episodes, known, seeded())
    expected_B = by_enumeration(task, episodes, known)
    torch.testing.assert_close(found_B, expected_B, rtol=1e-6, atol=1e-6)
    assert not task.knows_corrupted_labels
    with pytest.raises(NotKnownError, match="leave out prior_concentration"):
        task.corrupted_bayes_logit(episodes, nothing_known(episodes), seeded())


def test_the_oracle_of_task_a_reaches_its_closed_form() -> None:
    """pi Phi(r + L / 2r) + (1 - pi) Phi(r - L / 2r): .887933 at pi = .2, r = 1."""
    found = uneven("A", 0.2).oracle()
    half = math.log(0.2 / 0.8) / 2
    expected = 0.2 * ndtr(1 + half) + 0.8 * ndtr(1 - half)
    assert found.accuracy == pytest.approx(expected, abs=1e-9)
    assert found.accuracy == pytest.approx(0.887933, abs=1e-6)
    assert found.auc == pytest.approx(TASKS["A"].oracle().auc, abs=2e-6)


def test_classes_can_be_exchanged_only_where_they_are_alike() -> None:
    assert uneven("A", 0.2).symmetries == {"rotation"}
    even = uneven("A", 0.5, 2.0)
    assert even.symmetries == TASKS["A"].symmetries
    episodes = even.sample(50, 8)
    flipped = replace(episodes, context_y_BN=1 - episodes.context_y_BN)
    torch.testing.assert_close(even.bayes_logit(flipped), -even.bayes_logit(episodes))


def test_a_uniform_prior_has_the_share_of_ones_uniform() -> None:
    """With a = b = 1 every number of ones is as likely as the others."""
    episodes = uneven("A", 0.5, 2.0).sample(6_000, 4)
    counts = torch.bincount(episodes.context_y_BN.sum(1), minlength=5)
    assert (counts / 6_000).tolist() == pytest.approx([0.2] * 5, abs=0.02)
    assert betainc(1, 1, 0.3) == pytest.approx(0.3)
