"""Task F's ridge regression is the Gaussian posterior, written out densely."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.special import ndtr
from scipy.stats import chi2, kstest, multivariate_normal, norm, qmc

from icl_mlflow.tasks.regression_sign import RegressionSign
from tests.tasks.contract import (
    assert_log_likelihood_is_that_of_the_law,
    assert_oracle_is_the_ratio_of_the_densities,
    assert_points_are_drawn_from_the_law_of_their_label,
)


def by_dense_gaussian(task: RegressionSign, episodes: Any, i: int) -> float:
    """The t of all points are jointly normal given u and labels, w integrated out."""
    p = task.dim - 1
    x_SD = torch.cat([episodes.context_x_BND[i], episodes.query_x_BD[i : i + 1]])
    u_SP, t_S = x_SD[:, :p].double().numpy(), x_SD[:, p].double().numpy()
    gram_SS = task.slope**2 / p * u_SP @ u_SP.T
    log_density = []
    for sign in (1, -1):
        sign_S = np.append(2 * episodes.context_y_BN[i].numpy() - 1, sign)
        cov_SS = np.outer(sign_S, sign_S) * gram_SS + task.sigma**2 * np.eye(len(t_S))
        log_density.append(multivariate_normal(cov=cov_SS).logpdf(t_S))
    return float(log_density[0] - log_density[1])


@pytest.mark.parametrize(
    ("dim", "n_context", "slope", "sigma"),
    [(2, 3, 1.0, 0.5), (4, 0, 1.0, 0.5), (4, 7, 3.0, 0.2), (16, 32, 1.0, 0.5)],
)
def test_bayes_is_the_integral_over_the_prior(
    dim: int, n_context: int, slope: float, sigma: float
) -> None:
    task = RegressionSign(dim=dim, slope=slope, sigma=sigma)
    episodes = task.sample(6, n_context, stream="test")
    expected = [by_dense_gaussian(task, episodes, i) for i in range(6)]
    np.testing.assert_allclose(
        task.bayes_logit(episodes), expected, rtol=1e-9, atol=1e-9
    )


def test_long_contexts_agree_with_the_dense_gaussian() -> None:
    task = RegressionSign()
    episodes = task.sample(2, 1_024, stream="test")
    expected = [by_dense_gaussian(task, episodes, i) for i in range(2)]
    np.testing.assert_allclose(
        task.bayes_logit(episodes), expected, rtol=1e-8, atol=1e-8
    )


def test_bayes_agrees_with_a_grid_of_slopes() -> None:
    """One slope: its likelihood summed on a grid, point by point."""
    task = RegressionSign(dim=2, slope=0.8, sigma=0.4)
    episodes = task.sample(5, 4, stream="test")
    grid_G = np.linspace(-6, 6, 40_001)
    prior_G = norm.pdf(grid_G, scale=0.8)
    for i, found in enumerate(task.bayes_logit(episodes).tolist()):
        weight_G = prior_G.copy()
        for (u, t), y in zip(
            episodes.context_x_BND[i].tolist(),
            episodes.context_y_BN[i].tolist(),
            strict=True,
        ):
            weight_G *= norm.pdf(t, (2 * y - 1) * u * grid_G, 0.4)
        u, t = episodes.query_x_BD[i].tolist()
        one, zero = (
            (weight_G * norm.pdf(t, s * u * grid_G, 0.4)).sum() for s in (1, -1)
        )
        assert found == pytest.approx(math.log(one / zero), abs=1e-6)


def test_with_much_context_bayes_becomes_the_oracle() -> None:
    task = RegressionSign(dim=4)
    episodes = task.sample(500, 4_000, stream="test")
    gap_B = task.bayes_logit(episodes) - task.oracle_llr(episodes)
    assert gap_B.abs().median() < 0.05


@pytest.mark.parametrize(
    "changes", [{"sigma": 0.01, "slope": 100.0}, {"sigma": 100.0, "slope": 0.01}]
)
def test_extreme_parameters_stay_finite(changes: dict[str, float]) -> None:
    task = RegressionSign(dim=32, **changes)  # type: ignore[arg-type]
    for n_context in (0, 1, 8, 64):
        episodes = task.sample(100, n_context, stream="test")
        assert task.bayes_logit(episodes).isfinite().all()
        assert task.plug_in_logit(episodes).isfinite().all()


def test_the_accuracy_of_the_oracle_is_known() -> None:
    """At dim 16 the variance of a slope is 1 / 15."""
    assert RegressionSign().oracle().accuracy == pytest.approx(0.84675, abs=5e-6)


@pytest.mark.parametrize("dim", [2, 16, 1_001])
def test_the_accuracy_of_the_oracle_is_its_integral(dim: int) -> None:
    def right(square: float) -> float:
        ratio = 2 * math.sqrt(square / (dim - 1))
        chance = 0.5 + math.atan(ratio) / math.pi
        return float(chance * chi2.pdf(square, dim - 1))

    middle = max(dim - 3.0, 0.1)
    cuts = [0, middle / 4, middle, middle + 10 * math.sqrt(2 * dim), 60.0 + 4 * dim]
    pieces = itertools.pairwise(cuts)
    expected = sum(quad(right, *ends, epsabs=1e-13)[0] for ends in pieces)
    found = RegressionSign(dim=dim).oracle().accuracy
    assert found == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("dim", [2, 16])
def test_the_area_under_the_curve_of_the_oracle_is_exact(dim: int) -> None:
    """Against quasi-random latents: given them, the difference of two LLR is normal."""
    unit = qmc.Sobol(4, rng=np.random.default_rng(0)).random_base2(17)
    square = chi2.ppf(unit[:, :2], dim - 1) / (dim - 1) / 0.25
    m = (square * norm.ppf(unit[:, 2:]) ** 2).sum(1)
    expected = ndtr(np.sqrt(m)).mean()
    found = RegressionSign(dim=dim).oracle().auc
    assert found == pytest.approx(float(expected), abs=2e-5)


def test_the_latents_have_the_stated_prior() -> None:
    w_BP = (
        RegressionSign(dim=5, slope=2.0).sample(50_000, 0, stream="test").latents["w"]
    )
    for axis in range(4):
        assert kstest(w_BP[:, axis].numpy(), "norm").pvalue > 1e-3
    assert float(w_BP.square().sum(1).mean()) == pytest.approx(4.0, abs=0.05)


class Regressed:
    """The law of (u, t) as independent coordinates: u, and t given u."""

    def __init__(self, signed_w_BP: np.ndarray) -> None:
        self._w_BP = signed_w_BP

    def _laws(self, x_BD: np.ndarray) -> list[tuple[Any, np.ndarray]]:
        u_BP, t_B1 = x_BD[..., :-1], x_BD[..., -1:]
        mean_B1 = (self._w_BP * u_BP).sum(-1, keepdims=True)
        return [(norm(), u_BP), (norm(mean_B1, 0.5), t_B1)]

    def logpdf(self, x_BD: np.ndarray) -> np.ndarray:
        parts = [law.logpdf(part) for law, part in self._laws(x_BD)]
        return np.concatenate(parts, axis=-1)

    def cdf(self, x_BD: np.ndarray) -> np.ndarray:
        parts = [law.cdf(part) for law, part in self._laws(x_BD)]
        return np.concatenate(parts, axis=-1)


def law_of_x(y: int, latents: dict[str, np.ndarray]) -> Regressed:
    return Regressed((2 * y - 1) * latents["w"])


def test_episodes_and_oracle_follow_the_law_of_x() -> None:
    assert_oracle_is_the_ratio_of_the_densities("F", law_of_x)
    assert_points_are_drawn_from_the_law_of_their_label("F", law_of_x)
    assert_log_likelihood_is_that_of_the_law("F", law_of_x)
