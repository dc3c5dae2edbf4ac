"""Every task's Bayes predictor is the exact posterior, and so is that of the next.

Statistical statements are tested at three standard errors on fixed seeds.
"""

import itertools
from dataclasses import replace

import pytest
import torch
from scipy.stats import chi2
from torch.nn.functional import binary_cross_entropy_with_logits

from icl_mlflow.evaluation import (
    EvaluationSet,
    calibration_bins,
    ece,
    excess_risk,
    log_loss,
)
from icl_mlflow.tasks.base import parameters, with_parameters
from tests.tasks.contract import (
    CASES,
    assert_zero_mean,
    every_shift,
    every_task,
    few,
    symmetric,
)


@every_task
def test_bayes_is_calibrated(name: str, known: EvaluationSet) -> None:
    # Of 20 000 answers chance alone leaves .01 where they are as unsure as on task D.
    more = CASES[name].sample(20_000, stream="test", step=1)
    logit_B = torch.cat([known.bayes_B, CASES[name].bayes_logit(more)])
    assert ece(logit_B, torch.cat([known.label_B, more.query_y_B.double()])) <= 0.01
    bins = calibration_bins(known.bayes_B, known.label_B, 20)
    variance = bins.predicted * (1 - bins.predicted) / bins.count
    statistic = float(((bins.observed - bins.predicted).square() / variance).sum())
    assert statistic <= chi2.isf(1e-3, 20)


@every_task
def test_bayes_pays_exactly_its_posterior_entropy(known: EvaluationSet) -> None:
    p_B = known.bayes_B.sigmoid()
    entropy_B = binary_cross_entropy_with_logits(known.bayes_B, p_B, reduction="none")
    loss_B = binary_cross_entropy_with_logits(
        known.bayes_B, known.label_B, reduction="none"
    )
    assert_zero_mean(loss_B - entropy_B)


@every_task
def test_nothing_in_the_episode_predicts_the_error_of_bayes(
    known: EvaluationSet,
) -> None:
    """E[(y_q - p) g] = 0 for every function g of what the predictor has seen."""
    episodes, error_B = known.episodes, known.label_B - known.bayes_B.sigmoid()
    sign_BN1 = (2.0 * episodes.context_y_BN.double() - 1).unsqueeze(-1)
    context_x_BND = episodes.context_x_BND.double()
    query_x_BD = episodes.query_x_BD.double()
    difference_BD = (sign_BN1 * context_x_BND).mean(1)
    spread_B = (sign_BN1[..., 0] * context_x_BND.square().sum(-1)).mean(1)
    seen = {
        "logit": known.bayes_B,
        "sign": known.bayes_B.sign(),
        "cubed": known.bayes_B.clamp(-3, 3) ** 3,
        "projection": (difference_BD * query_x_BD).sum(-1),
        "norms": spread_B * query_x_BD.square().sum(-1),
        "balance": sign_BN1.sum((1, 2)),
        "last": sign_BN1[:, -1, 0] * (context_x_BND[:, -1] * query_x_BD).sum(-1),
    }
    for value_B in seen.values():
        assert_zero_mean(error_B * value_B)


@symmetric("classes")
def test_flipping_all_labels_negates_bayes(name: str) -> None:
    episodes = few(name)
    flipped = replace(episodes, context_y_BN=1 - episodes.context_y_BN)
    task = CASES[name]
    torch.testing.assert_close(
        task.bayes_logit(flipped), -task.bayes_logit(episodes), rtol=1e-9, atol=1e-9
    )


@every_task
def test_bayes_ignores_the_order_of_the_context(name: str) -> None:
    episodes = few(name)
    order = torch.randperm(32, generator=torch.Generator().manual_seed(1))
    shuffled = replace(
        episodes,
        context_x_BND=episodes.context_x_BND[:, order],
        context_y_BN=episodes.context_y_BN[:, order],
    )
    task = CASES[name]
    torch.testing.assert_close(
        task.bayes_logit(shuffled), task.bayes_logit(episodes), rtol=1e-9, atol=1e-9
    )


@pytest.mark.parametrize("determinant", [1, -1])
@symmetric("rotation")
def test_bayes_ignores_a_rotation_of_space(name: str, determinant: int) -> None:
    episodes, task = few(name), CASES[name]
    rng = torch.Generator().manual_seed(1)
    square = torch.randn(task.dim, task.dim, generator=rng, dtype=torch.float64)
    rotation = torch.linalg.qr(square).Q
    rotation[0] *= determinant * torch.linalg.det(rotation)
    rotated = replace(
        episodes,
        context_x_BND=episodes.context_x_BND.double() @ rotation,
        query_x_BD=episodes.query_x_BD.double() @ rotation,
    )
    torch.testing.assert_close(
        task.bayes_logit(rotated), task.bayes_logit(episodes), rtol=1e-9, atol=1e-9
    )


@pytest.mark.parametrize(
    "name", [name for name, task in CASES.items() if task.sufficient]
)
def test_bayes_needs_no_more_than_its_sufficient_statistics(name: str) -> None:
    episodes, task = few(name), CASES[name]
    known = task.statistics(episodes)
    query_x_BD = episodes.query_x_BD
    found_B = task.bayes_logit_of(known, query_x_BD, episodes.n_context)
    torch.testing.assert_close(found_B, task.bayes_logit(episodes), rtol=0, atol=1e-9)
    needed = {each: known[each] for each in task.sufficient}
    assert torch.equal(found_B, task.bayes_logit_of(needed, query_x_BD, 32))
    for each in known.values():
        assert each.dtype == torch.float64
        assert each.shape[0] == len(episodes)
        assert each.ndim == 2
    for each in task.sufficient:
        moved = {**needed, each: needed[each].roll(1, 0)}
        other_B = task.bayes_logit_of(moved, query_x_BD, 32)
        assert not torch.allclose(other_B, found_B), f"{each} is not needed"


@every_task
def test_bayes_sees_neither_the_answer_nor_the_latents(name: str) -> None:
    episodes, task = few(name), CASES[name]
    hidden = replace(episodes, query_y_B=1 - episodes.query_y_B, latents={})
    assert torch.equal(task.bayes_logit(hidden), task.bayes_logit(episodes))


@symmetric("classes")
def test_without_context_bayes_knows_nothing(name: str) -> None:
    assert torch.equal(
        CASES[name].bayes_logit(few(name, 0)), torch.zeros(200, dtype=torch.float64)
    )


@every_task
def test_several_queries_of_a_context_are_answered_as_each_alone(name: str) -> None:
    task, episodes = CASES[name], few(name, 4).rows(0, 20)
    query_x_BQD = CASES[name].sample(20, 3, stream="others").context_x_BND
    found_BQ = task.bayes_logit_of_queries(episodes, query_x_BQD)
    for q in range(3):
        alone = replace(episodes, query_x_BD=query_x_BQD[:, q])
        torch.testing.assert_close(
            found_BQ[:, q], task.bayes_logit(alone), rtol=1e-9, atol=1e-9
        )


@every_task
def test_more_context_makes_bayes_better(name: str, known: EvaluationSet) -> None:
    """In expectation; on these episodes, but for chance. The oracle comes last."""
    seen = [known.episodes.first(n) for n in (0, 1, 2, 4, 8, 16, 32)]
    logits = [*map(CASES[name].bayes_logit, seen), known.oracle_B]
    reached = [torch.maximum(p_B, 1 - p_B) for p_B in map(torch.sigmoid, logits)]
    if "classes" in CASES[name].symmetries:
        assert reached[0].mean() == 0.5
    for less_B, more_B in itertools.pairwise(reached):
        gain_B = more_B - less_B
        assert gain_B.mean() > -3 * gain_B.std() / len(gain_B) ** 0.5
    assert reached[-2].mean() > reached[0].mean() + 0.01


@every_task
def test_bayes_lies_between_the_oracle_and_everything_else(
    name: str, known: EvaluationSet
) -> None:
    others = {
        "chance": torch.zeros_like(known.bayes_B),
        "overconfident": 1.5 * known.bayes_B,
        "timid": 0.5 * known.bayes_B,
        "biased": known.bayes_B + 0.5,
        "half the context": CASES[name].bayes_logit(known.episodes.first(16)),
        "the wrong way round": -known.bayes_B,
    }
    bayes_loss = log_loss(known.bayes_B, known.label_B)
    assert log_loss(known.oracle_B, known.label_B) < bayes_loss
    for logit_B in others.values():
        risk_B = excess_risk(logit_B, known.bayes_B)
        assert risk_B.min() >= -1e-12
        assert risk_B.mean() > 0
        assert log_loss(logit_B, known.label_B) > bayes_loss


@every_shift
def test_bayes_is_calibrated_under_every_shift(name: str, shift: str) -> None:
    task = with_parameters(CASES[name], CASES[name].shifts[shift])
    assert parameters(task) != parameters(CASES[name])
    episodes = task.sample(4_000, stream="test")
    bayes_B = task.bayes_logit(episodes)
    error_B = episodes.query_y_B.double() - bayes_B.sigmoid()
    assert_zero_mean(error_B * bayes_B)


@every_task
def test_bayes_with_the_wrong_prior_is_worse(name: str, known: EvaluationSet) -> None:
    """The prior of a shift, on episodes of the default, costs what excess risk says."""
    for shift in CASES[name].shifts.values():
        wrong_B = with_parameters(CASES[name], shift).bayes_logit(known.episodes)
        risk_B = excess_risk(wrong_B, known.bayes_B)
        loss_B, bayes_loss_B = (
            binary_cross_entropy_with_logits(logit_B, known.label_B, reduction="none")
            for logit_B in (wrong_B, known.bayes_B)
        )
        assert risk_B.mean() > 0
        assert_zero_mean(risk_B - (loss_B - bayes_loss_B))
