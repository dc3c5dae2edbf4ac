"""Contracts of every task's episodes and oracle, and of the one that you add next.

Statistical statements are tested at three standard errors on fixed seeds.
"""

import math
from dataclasses import MISSING, fields, replace

import pytest
import torch
from torch import Tensor

from icl_mlflow.evaluation import EvaluationSet, accuracy, auc
from icl_mlflow.tasks.base import Task, parameters, with_parameters
from tests.tasks.contract import (
    CASES,
    assert_zero_mean,
    every_shift,
    every_task,
    of_dims,
)


@every_task
@pytest.mark.parametrize("n_context", [0, 1, 7])
def test_shapes_and_types(name: str, n_context: int) -> None:
    task = with_parameters(CASES[name], {"dim": 6})
    episodes = task.sample(9, n_context)
    assert episodes.context_x_BND.shape == (9, n_context, 6)
    assert episodes.context_y_BN.shape == (9, n_context)
    assert episodes.query_x_BD.shape == (9, 6)
    assert episodes.query_y_B.shape == (9,)
    assert episodes.context_x_BND.dtype == episodes.query_x_BD.dtype == torch.float32
    assert episodes.context_y_BN.dtype == episodes.query_y_B.dtype == torch.int64
    assert all(len(latent) == 9 for latent in episodes.latents.values())
    for answer in (task.oracle_llr(episodes), task.bayes_logit(episodes)):
        assert answer.shape == (9,)
        assert answer.dtype == torch.float64


@every_task
def test_labels_are_as_likely_as_the_task_says(name: str, known: EvaluationSet) -> None:
    """Fair coins, or what the wrapper says; what the others tell is all there is."""
    episodes, task = known.episodes, CASES[name]
    y_BN, y_B = episodes.context_y_BN.double(), episodes.query_y_B.double()
    assert set(episodes.context_y_BN.unique().tolist()) == {0, 1}
    assert_zero_mean(y_B - task.base_rate)
    assert_zero_mean(y_BN.mean(1) - task.base_rate)
    error_B = y_B - task.label_log_odds(y_BN.sum(1).long(), 32).sigmoid()
    assert_zero_mean(error_B * (y_BN.mean(1) - task.base_rate))
    error_B = y_BN[:, 1] - task.label_log_odds(y_BN[:, 0].long(), 1).sigmoid()
    assert_zero_mean(error_B * y_BN[:, 0])


@every_task
def test_an_address_always_gives_the_same_episodes(name: str) -> None:
    first = CASES[name].sample(50, seed=3, stream="train", step=11)
    before = torch.get_rng_state()
    CASES[name].sample(50, seed=3, stream="train", step=12)
    again = CASES[name].sample(50, seed=3, stream="train", step=11)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first.context_x_BND, again.context_x_BND)
    assert torch.equal(first.context_y_BN, again.context_y_BN)
    assert torch.equal(first.query_x_BD, again.query_x_BD)
    assert torch.equal(first.query_y_B, again.query_y_B)
    for latent in first.latents:
        assert torch.equal(first.latents[latent], again.latents[latent])


@every_task
def test_different_addresses_give_unrelated_episodes(name: str) -> None:
    batches = [
        CASES[name].sample(100, seed=seed, stream=stream, step=step)
        for seed in (0, 1)
        for stream in ("train", "validation", "test", "analysis")
        for step in (0, 1, 2)
    ]
    values = torch.cat([batch.query_x_BD.flatten() for batch in batches])
    # float32 normal deviates coincide now and then, whole batches must not.
    assert len(values.unique()) > 0.99 * len(values)
    flat = torch.stack([batch.query_x_BD.flatten() for batch in batches]).double()
    correlation = torch.corrcoef(flat) - torch.eye(len(batches))
    assert correlation.abs().max() < 5 / math.sqrt(flat.shape[1])


@every_task
def test_the_oracle_is_calibrated_against_everything_in_an_episode(
    known: EvaluationSet,
) -> None:
    """E[(y_q - p) g] = 0 for every function g of the query and the latents."""
    episodes, error_B = known.episodes, known.label_B - known.oracle_B.sigmoid()
    query_BD = episodes.query_x_BD.double()
    seen = {
        "LLR": known.oracle_B,
        "sign": known.oracle_B.sign(),
        "cubed": known.oracle_B.clamp(-3, 3) ** 3,
        "square": query_BD.square().sum(-1),
        "first": query_BD[:, 0],
    }
    for name, latent in episodes.latents.items():
        value_B = latent.double().reshape(len(query_BD), -1)[:, 0]
        seen |= {name: value_B, f"{name} query": value_B * query_BD[:, 0]}
    for value_B in seen.values():
        assert_zero_mean(error_B * value_B)


@every_task
def test_every_context_point_is_drawn_as_the_query_is(name: str) -> None:
    """With a context point in the query's place the oracle is as right as before."""
    episodes = CASES[name].sample(20_000, 3, stream="test")
    for point in range(3):
        other = replace(episodes, query_x_BD=episodes.context_x_BND[:, point])
        error_B = episodes.context_y_BN[:, point].double()
        error_B = error_B - CASES[name].oracle_llr(other).sigmoid()
        assert_zero_mean(error_B)
        assert_zero_mean(error_B * CASES[name].oracle_llr(other))


def _auc_standard_error(llr_B: Tensor, label_B: Tensor) -> float:
    """By the variances of the two placements (DeLong)."""
    one, zero = llr_B[label_B == 1].sort().values, llr_B[label_B == 0].sort().values
    above = torch.searchsorted(zero, one).double() / len(zero)
    below = torch.searchsorted(one, zero).double() / len(one)
    return float((above.var() / len(one) + below.var() / len(zero)).sqrt())


def assert_oracle_constants(task: Task) -> None:
    episodes = task.sample(200_000, 0, stream="test")
    llr_B, label_B = task.oracle_llr(episodes), episodes.query_y_B
    exact = task.oracle()
    error = math.sqrt(exact.accuracy * (1 - exact.accuracy) / len(llr_B))
    assert accuracy(llr_B, label_B) == pytest.approx(exact.accuracy, abs=3 * error)
    error = _auc_standard_error(llr_B, label_B)
    assert auc(llr_B, label_B) == pytest.approx(exact.auc, abs=3 * error)


@of_dims(1, 4, 16, 64)
def test_the_oracle_reaches_its_exact_constants(name: str, dim: int) -> None:
    assert_oracle_constants(with_parameters(CASES[name], {"dim": dim}))


@every_shift
def test_a_shifted_oracle_reaches_its_exact_constants(name: str, shift: str) -> None:
    assert_oracle_constants(with_parameters(CASES[name], CASES[name].shifts[shift]))


@every_task
def test_parameters_out_of_range_are_refused_by_name(name: str) -> None:
    task = CASES[name]
    for declared in fields(task.core):
        assert declared.default is not MISSING
        lowest, above = declared.metadata["minimum"], declared.metadata["above"]
        assert (lowest is None) != (above is None), f"{declared.name} has no bound"
        wrong = above if lowest is None else type(declared.default)(lowest - 1)
        with pytest.raises(ValueError, match=f"^{declared.name} must be "):
            with_parameters(task, {declared.name: wrong})
        with pytest.raises(ValueError, match=f"^{declared.name} must be "):
            with_parameters(task, {declared.name: math.nan})


@every_task
def test_an_unknown_parameter_is_answered_with_the_known_ones(
    name: str, known: EvaluationSet
) -> None:
    known = ", ".join(parameters(CASES[name]))
    with pytest.raises(ValueError, match=f"no parameter 'wings'; it has: {known}"):
        with_parameters(CASES[name], {"wings": 2.0})
