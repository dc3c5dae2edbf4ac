"""Task E's sum over all sparse means, beside one that writes every mean out."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, norm

from icl_mlflow.estimators.ceilings import ceilings, readings
from icl_mlflow.evaluation import excess_risk, expected_accuracy
from icl_mlflow.tasks.base import NotKnownError
from icl_mlflow.tasks.labels import nothing_known
from icl_mlflow.tasks.shifted_mean import ShiftedMean
from icl_mlflow.tasks.sparse_mean import SparseMean
from icl_mlflow.variants import VARIANTS
from tests.tasks.contract import (
    assert_log_likelihood_is_that_of_the_law,
    assert_oracle_is_the_ratio_of_the_densities,
    assert_points_are_drawn_from_the_law_of_their_label,
)
from tests.tasks.labellings import KNOWN, by_enumeration, seeded


def all_means(dim: int, nonzero: int) -> np.ndarray:
    rows = [
        np.bincount(places, signs, minlength=dim) / math.sqrt(nonzero)
        for places in itertools.combinations(range(dim), nonzero)
        for signs in itertools.product((-1, 1), repeat=nonzero)
    ]
    return np.array(rows)


@pytest.mark.parametrize(
    ("nonzero", "tau", "separation"),
    [(1, 3.0, 1.0), (2, 0.0, 1.0), (2, 3.0, 2.5), (4, 0.7, 0.3)],
)
def test_bayes_is_the_sum_over_the_prior(
    nonzero: int, tau: float, separation: float
) -> None:
    """Of every mean, the density of all points, the shift in scipy's covariance."""
    task = SparseMean(dim=4, nonzero=nonzero, tau=tau, separation=separation)
    episodes = task.sample(4, 5, stream="test")
    law = multivariate_normal(cov=np.eye(6) + tau**2)
    for i, found in enumerate(task.bayes_logit(episodes).tolist()):
        x_SD = torch.cat([episodes.context_x_BND[i], episodes.query_x_BD[i : i + 1]])
        log_marginal = {}
        for sign in (1, -1):
            sign_S = np.append(2 * episodes.context_y_BN[i].numpy() - 1, sign)
            log_marginal[sign] = logsumexp(
                [
                    law.logpdf((x_SD.double().numpy() - np.outer(sign_S, r)).T).sum()
                    for r in separation * all_means(4, nonzero)
                ]
            )
        expected = float(log_marginal[1] - log_marginal[-1])
        assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("nonzero", [2, 8])
def test_long_contexts_stay_exact(nonzero: int) -> None:
    """1 024 points, the shift known to be none: a sum over all of so many means."""
    task = SparseMean(dim=8, nonzero=nonzero, tau=0.0)
    episodes = task.sample(20, 1_024, stream="test")
    mu_PD = torch.from_numpy(all_means(8, nonzero))
    sign_BN = 2 * episodes.context_y_BN.double() - 1
    v_BD = torch.einsum("bn,bnd->bd", sign_BN, episodes.context_x_BND.double())
    query_BP = episodes.query_x_BD.double() @ mu_PD.T
    with_it_B, against_B = (
        (v_BD @ mu_PD.T + sign * query_BP).logsumexp(1) for sign in (1, -1)
    )
    torch.testing.assert_close(
        task.bayes_logit(episodes), with_it_B - against_B, rtol=0, atol=1e-9
    )


@pytest.mark.parametrize("what", KNOWN)
@pytest.mark.parametrize("nonzero", [1, 2, 3])
def test_with_hidden_labels_it_is_the_sum_over_all_labellings(
    nonzero: int, what: str
) -> None:
    task = SparseMean(dim=3, nonzero=nonzero)
    episodes = task.sample(20, 4, seed=3)
    known = KNOWN[what](episodes)
    found_B = task.corrupted_bayes_logit(episodes, known, seeded())
    expected_B = by_enumeration(task, episodes, known)
    torch.testing.assert_close(found_B, expected_B, rtol=0, atol=1e-9)


def test_too_many_means_to_try_are_said_to_be() -> None:
    task = SparseMean(dim=16, nonzero=8)
    episodes = task.sample(2, 3)
    assert SparseMean().knows_corrupted_labels
    assert not task.knows_corrupted_labels
    found = ceilings(task, episodes, *readings(VARIANTS["shuffled_labels"]))
    assert found.shown.kind == "unknown"
    with pytest.raises(NotKnownError, match="for nonzero=8 of dim=16: 1647360 direc"):
        task.corrupted_bayes_logit(episodes, nothing_known(episodes), seeded())


@pytest.mark.parametrize(
    ("nonzero", "accuracy", "loss_of_task_a"),
    [(1, 0.833, 0.084), (2, 0.825, 0.070), (4, 0.802, 0.027), (16, 0.802, 0.023)],
)
def test_what_not_thresholding_costs(
    nonzero: int, accuracy: float, loss_of_task_a: float
) -> None:
    """Known figures of another program, from other episodes."""
    task = SparseMean(nonzero=nonzero)
    episodes = task.sample(4_000, 32, stream="test")
    bayes_B = task.bayes_logit(episodes)
    found = expected_accuracy(bayes_B, bayes_B)
    error = float(found.std()) / math.sqrt(4_000)
    assert float(found.mean()) == pytest.approx(accuracy, abs=4 * error)
    risk_B = excess_risk(ShiftedMean().bayes_logit(episodes), bayes_B)
    error = float(risk_B.std()) / math.sqrt(4_000)
    assert float(risk_B.mean()) == pytest.approx(loss_of_task_a, abs=4 * error + 5e-4)


def test_the_plug_in_is_the_most_probable_mean() -> None:
    task = SparseMean(dim=4, tau=0.0)
    episodes = task.sample(50, 6, stream="test")
    mu_PD = all_means(4, 2)
    sign_BN = 2 * episodes.context_y_BN.double() - 1
    v_BD = torch.einsum("bn,bnd->bd", sign_BN, episodes.context_x_BND.double()).numpy()
    best_BD = mu_PD[(v_BD @ mu_PD.T).argmax(1)]
    expected_B = 2 * (best_BD * episodes.query_x_BD.double().numpy()).sum(1)
    np.testing.assert_allclose(task.plug_in_logit(episodes), expected_B, atol=1e-12)


def test_the_oracle_is_task_as() -> None:
    found = SparseMean(separation=1.0).oracle()
    assert found.accuracy == pytest.approx(0.841345, abs=1e-6)
    assert found == ShiftedMean().oracle()


def test_every_mean_is_as_probable() -> None:
    latents = SparseMean(dim=4).sample(24_000, 0, stream="test").latents
    rows, counts = np.unique(latents["mu"].numpy().round(4), axis=0, return_counts=True)
    assert len(rows) == 24
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-3)
    assert ((counts - 1_000) ** 2 / 1_000).sum() < 60  # chi-squared of 23 degrees


def test_more_coordinates_than_there_are_are_refused() -> None:
    with pytest.raises(ValueError, match="nonzero=3 must be at most dim=2"):
        SparseMean(dim=2, nonzero=3)


def law_of_x(y: int, latents: dict[str, np.ndarray]) -> Any:
    return norm(loc=latents["shift"] + (2 * y - 1) * latents["mu"])


def test_episodes_and_oracle_follow_the_law_of_x() -> None:
    assert_oracle_is_the_ratio_of_the_densities("E", law_of_x)
    assert_points_are_drawn_from_the_law_of_their_label("E", law_of_x)
    assert_log_likelihood_is_that_of_the_law("E", law_of_x)
