"""Task A draws what its docstring says, and its Bayes predictor is the exact one."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import kstest, multivariate_normal, norm
from torch import Tensor

from icl_mlflow.episodes import Episodes
from icl_mlflow.evaluation import auc
from icl_mlflow.tasks.integrals import two_means
from icl_mlflow.tasks.shifted_mean import ShiftedMean
from tests.tasks.contract import (
    assert_log_likelihood_is_that_of_the_law,
    assert_oracle_is_the_ratio_of_the_densities,
    assert_points_are_drawn_from_the_law_of_their_label,
)


def points_and_signs(episodes: Episodes) -> tuple[np.ndarray, np.ndarray]:
    """All points (B, N + 1, D), the query last, and the context's signs (B, N)."""
    x_BSD = torch.cat([episodes.context_x_BND, episodes.query_x_BD[:, None]], dim=1)
    return x_BSD.double().numpy(), 2 * episodes.context_y_BN.numpy() - 1


def sphere_rule(dim: int) -> tuple[np.ndarray, np.ndarray]:
    """Points of the unit sphere and weights that integrate smooth functions exactly."""
    if dim == 1:
        return np.array([[1.0], [-1.0]]), np.full(2, 0.5)
    angle = 2 * np.pi * np.arange(400) / 400
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    if dim == 2:
        return circle, np.full(400, 1 / 400)
    height, weight = np.polynomial.legendre.leggauss(60)  # Archimedes: uniform
    radius = np.sqrt(1 - height**2)
    points = np.concatenate(
        [
            np.concatenate([r * circle, np.full((400, 1), h)], axis=1)
            for r, h in zip(radius, height, strict=True)
        ]
    )
    return points, np.repeat(weight / 2, 400) / 400


def by_integration(task: ShiftedMean, x_SD: np.ndarray, sign_N: np.ndarray) -> float:
    """The log-odds from the density of all points, k integrated out by scipy's normal.

    Given mu, the coordinates of x_i - s_i r mu are independent between dimensions and
    jointly normal over the points, with covariance I + tau^2 1 1^T.
    """
    n_points, dim = x_SD.shape
    mu_GD, weight_G = sphere_rule(dim)
    law = multivariate_normal(cov=np.eye(n_points) + task.tau**2)
    log_marginal = []
    for query_sign in (+1, -1):
        sign_S = np.append(sign_N, query_sign)
        mean_GSD = task.separation * sign_S[:, None] * mu_GD[:, None, :]
        centred_GDS = (x_SD - mean_GSD).swapaxes(1, 2)
        log_G = law.logpdf(centred_GDS).reshape(len(mu_GD), dim).sum(-1)
        log_marginal.append(logsumexp(log_G, b=weight_G))
    return float(log_marginal[0] - log_marginal[1])


@pytest.mark.parametrize(
    ("tau", "separation"),
    [(0.0, 1.0), (0.7, 1.0), (3.0, 1.0), (30.0, 1.0), (3.0, 2.5), (0.7, 0.3)],
)
@pytest.mark.parametrize("dim", [1, 2, 3])
def test_bayes_is_the_integral_over_the_prior(
    dim: int, tau: float, separation: float
) -> None:
    task = ShiftedMean(dim=dim, tau=tau, separation=separation)
    episodes = task.sample(6, 5, stream="test")
    x_BSD, sign_BN = points_and_signs(episodes)
    expected = [
        by_integration(task, x_SD, sign_N)
        for x_SD, sign_N in zip(x_BSD, sign_BN, strict=True)
    ]
    np.testing.assert_allclose(
        task.bayes_logit(episodes).numpy(), expected, rtol=1e-9, atol=1e-9
    )


def test_bayes_agrees_with_monte_carlo_over_the_prior() -> None:
    """Both mu and k drawn, d = 4, n = 5: within four standard errors of each logit."""
    task, n_draws = ShiftedMean(dim=4, tau=0.5), 400_000
    episodes = task.sample(8, 5, stream="test")
    rng = np.random.default_rng(0)
    mu_GD = rng.standard_normal((n_draws, 4))
    mu_GD /= np.linalg.norm(mu_GD, axis=1, keepdims=True)
    shift_GD = task.tau * rng.standard_normal((n_draws, 4))
    standard_errors = []
    for x_SD, sign_N, logit in zip(
        *points_and_signs(episodes), task.bayes_logit(episodes).tolist(), strict=True
    ):

        def log_likelihood(x_D: np.ndarray, sign: int) -> np.ndarray:
            return -0.5 * ((x_D - shift_GD - sign * mu_GD) ** 2).sum(-1)

        context_G = sum(map(log_likelihood, x_SD[:-1], sign_N.tolist()), np.zeros(1))
        weight_G = np.exp(context_G - context_G.max())
        one_G, zero_G = (
            weight_G * np.exp(log_likelihood(x_SD[-1], s)) for s in (1, -1)
        )
        found = math.log(one_G.mean() / zero_G.mean())
        # Both means share their draws, so the error of the log-ratio is that of
        difference_G = one_G / one_G.mean() - zero_G / zero_G.mean()
        standard_error = difference_G.std() / math.sqrt(n_draws)
        assert abs(logit - found) <= 4 * standard_error
        standard_errors.append(standard_error)
    # Where few draws explain the context the error is large; mostly it is not.
    assert np.median(standard_errors) < 0.05


def test_an_unbounded_shift_is_projected_out() -> None:
    """tau -> infinity: c -> 1 / N, and only differences between points remain."""
    episodes = ShiftedMean(dim=4).sample(500, 12, stream="test")
    wide = ShiftedMean(dim=4, tau=1e3)
    moved = replace(
        episodes,
        context_x_BND=episodes.context_x_BND.double() + 5.0,
        query_x_BD=episodes.query_x_BD.double() + 5.0,
    )
    limit_B = wide.bayes_logit(episodes)
    # What is left is of order (1 / tau^2) (N |x| + N) and below 1e-3 here.
    torch.testing.assert_close(wide.bayes_logit(moved), limit_B, rtol=0, atol=1e-3)
    torch.testing.assert_close(
        ShiftedMean(dim=4, tau=1e5).bayes_logit(episodes), limit_B, rtol=0, atol=1e-3
    )
    narrow = ShiftedMean(dim=4, tau=1.0)
    change_B = narrow.bayes_logit(moved) - narrow.bayes_logit(episodes)
    assert change_B.abs().mean() > 0.1


def test_without_a_shift_each_point_counts_by_its_sign_alone() -> None:
    """tau = 0: the posterior of mu is von Mises-Fisher about the signed sum."""
    task = ShiftedMean(dim=3, tau=0.0)
    episodes = task.sample(300, 10, stream="test")
    x_BSD, sign_BN = points_and_signs(episodes)
    context_BD = (sign_BN[..., None] * x_BSD[:, :-1]).sum(1)
    plus_B, minus_B = (
        np.linalg.norm(context_BD + sign * x_BSD[:, -1], axis=1) for sign in (1, -1)
    )
    # In three dimensions the normaliser of von Mises-Fisher is sinh(kappa) / kappa.
    expected = np.log(np.sinh(plus_B) / plus_B) - np.log(np.sinh(minus_B) / minus_B)
    np.testing.assert_allclose(task.bayes_logit(episodes), expected, atol=1e-10)


@pytest.mark.parametrize("tau", [0.0, 3.0, 1e5])
@pytest.mark.parametrize(("dim", "n_context"), [(512, 32), (4_096, 8), (1, 2_000)])
def test_extreme_sizes_stay_finite_and_calibrated(
    dim: int, n_context: int, tau: float
) -> None:
    task = ShiftedMean(dim=dim, tau=tau)
    n_episodes = 3_000_000 // (dim * n_context)
    episodes = task.sample(n_episodes, n_context, stream="test")
    logit_B = task.bayes_logit(episodes)
    assert logit_B.isfinite().all()
    assert logit_B.std() > 0.01
    error_B = episodes.query_y_B.double() - logit_B.sigmoid()
    standard_error = (error_B * logit_B).std() / math.sqrt(n_episodes)
    assert (error_B * logit_B).mean().abs() <= 3 * standard_error


def test_with_much_context_bayes_becomes_the_oracle() -> None:
    """Posteriors of width 1 / sqrt(n) in mu and k leave an error of 2 sqrt(d / n)."""
    task = ShiftedMean(dim=4)
    episodes = task.sample(1_000, 2_000, stream="test")
    error_B = task.bayes_logit(episodes) - task.oracle_llr(episodes)
    assert error_B.square().mean().sqrt() == pytest.approx(
        2 * math.sqrt(4 / 2_000), rel=0.1
    )


@pytest.mark.parametrize("separation", [0.5, 3.0])
def test_the_separation_sets_how_far_apart_the_classes_are(separation: float) -> None:
    """LLR | y ~ N(+-2 r^2, 4 r^2), and the plug-in with much context is the oracle."""
    task = ShiftedMean(dim=4, separation=separation)
    episodes = task.sample(5_000, 500, stream="test")
    llr_B, exact = task.oracle_llr(episodes), task.oracle()
    label_B = episodes.query_y_B.double()
    right = float(((llr_B > 0) == (label_B > 0)).double().mean())
    error = math.sqrt(exact.accuracy * (1 - exact.accuracy) / 5_000)
    assert right == pytest.approx(exact.accuracy, abs=3 * error)
    assert auc(llr_B, label_B) == pytest.approx(exact.auc, abs=3 * error)
    signed_B = llr_B * (2 * label_B - 1)
    law = norm(2 * separation**2, 2 * separation)
    assert kstest(signed_B.numpy(), law.cdf).pvalue > 1e-3
    for estimate_B in (task.plug_in_logit(episodes), task.bayes_logit(episodes)):
        error_B = estimate_B - llr_B
        assert float(error_B.std()) < 0.25 * float(llr_B.std())


def test_classes_that_lie_together_cannot_be_told_apart() -> None:
    task = ShiftedMean(dim=3, separation=0.0)
    assert not task.bayes_logit(task.sample(50, 8)).any()
    assert task.oracle().accuracy == 0.5


def test_the_bayes_ceiling_of_the_default_size() -> None:
    """Accuracy .789 against the oracle's .841: the price of 32 points."""
    task = ShiftedMean()
    p_B: Tensor = task.bayes_logit(task.sample(20_000, 32, stream="test")).sigmoid()
    assert torch.maximum(p_B, 1 - p_B).mean() == pytest.approx(0.789, abs=0.003)


def test_the_latents_have_the_stated_prior() -> None:
    latents = ShiftedMean(dim=3, tau=2.0).sample(100_000, 0, stream="test").latents
    mu_BD, shift_BD = latents["mu"].double(), latents["shift"].double()
    torch.testing.assert_close(mu_BD.norm(dim=1), torch.ones(100_000).double())
    for axis in range(3):
        # Archimedes: each coordinate of the unit sphere in three dimensions is uniform.
        assert kstest((mu_BD[:, axis] + 1) / 2, "uniform").pvalue > 1e-3
        assert kstest(shift_BD[:, axis] / 2, "norm").pvalue > 1e-3
    assert abs(float((mu_BD * shift_BD).sum(1).mean())) <= 3 * 2 / math.sqrt(100_000)


def law_of_x(y: int, latents: dict[str, np.ndarray]) -> Any:
    return norm(loc=latents["shift"] + (2 * y - 1) * latents["mu"])


@pytest.mark.parametrize("block", [1, 100, 4_000])
def test_points_are_the_same_however_many_are_moved_at_once(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ShiftedMean(dim=3).sample(50, 20, stream="test")
    monkeypatch.setattr(two_means, "_BLOCK", block)
    in_parts = ShiftedMean(dim=3).sample(50, 20, stream="test")
    assert torch.equal(in_parts.context_x_BND, whole.context_x_BND)
    assert torch.equal(in_parts.query_x_BD, whole.query_x_BD)


def test_episodes_and_oracle_follow_the_law_of_x() -> None:
    assert_oracle_is_the_ratio_of_the_densities("A", law_of_x)
    assert_points_are_drawn_from_the_law_of_their_label("A", law_of_x)
    assert_log_likelihood_is_that_of_the_law("A", law_of_x)
