"""The oracle's constants from the distributions of its ratio."""

import math

import numpy as np
import pytest
from scipy.special import ndtr

from icl_mlflow.tasks import TASKS
from icl_mlflow.tasks.base import Task, with_parameters
from icl_mlflow.tasks.shifted_mean import ShiftedMean
from icl_mlflow.tasks.wrappers.oracle import llr_cdf, oracle_constants


class Unknowing(ShiftedMean):
    """Task A, had it no distribution function."""

    llr_cdf = Task.llr_cdf


@pytest.mark.parametrize("name", ["A", "B"])
@pytest.mark.parametrize("dim", [1, 16])
def test_fair_labels_give_the_constants_of_the_task(name: str, dim: int) -> None:
    task = with_parameters(TASKS[name], {"dim": dim})
    found, exact = oracle_constants(task.llr_cdf), task.oracle()
    assert found.accuracy == pytest.approx(exact.accuracy, abs=1e-9)
    assert found.auc == pytest.approx(exact.auc, abs=1e-5)


def test_classes_that_cannot_be_told_apart_are_guessed() -> None:
    task = with_parameters(TASKS["A"], {"separation": 0.0})
    found = oracle_constants(task.llr_cdf, np.array([0.2]))
    assert (found.accuracy, found.auc) == (0.8, pytest.approx(0.5))


def test_several_priors_are_averaged_over() -> None:
    """Of two, one of them nearly certain, by hand: r = 1, LLR ~ N(+-2, 4)."""
    found = oracle_constants(
        TASKS["A"].llr_cdf, np.array([0.5, 0.9]), np.array([0.5, 0.5])
    )
    half = math.log(9) / 2
    uneven = 0.9 * ndtr(1 + half) + 0.1 * ndtr(1 - half)
    assert found.accuracy == pytest.approx((ndtr(1) + uneven) / 2, abs=1e-9)
    rng = np.random.default_rng(0)
    prior = rng.choice([0.5, 0.9], 400_000)
    label = rng.random(400_000) < prior
    score = 2 * (2 * label - 1) + 2 * rng.standard_normal(400_000)
    score += np.log(prior / (1 - prior))
    ranks = score.argsort().argsort() + 1.0
    n_one = label.sum()
    wins = ranks[label].sum() - n_one * (n_one + 1) / 2
    auc = wins / (n_one * (len(label) - n_one))
    assert found.auc == pytest.approx(auc, abs=2e-3)


def test_what_a_task_does_not_know_is_counted() -> None:
    values = np.linspace(-4, 4, 9)
    for latents in (None, with_parameters(TASKS["A"], {"pool": 3}).members):  # type: ignore[attr-defined]
        counted = llr_cdf(Unknowing(), values, latents)
        exact = llr_cdf(TASKS["A"], values, latents)
        for one, other in zip(counted, exact, strict=True):
            np.testing.assert_allclose(one, other, atol=0.006)
        again = llr_cdf(Unknowing(), values, latents)
        assert all(map(np.array_equal, counted, again))
