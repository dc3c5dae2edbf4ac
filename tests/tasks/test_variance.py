"""Task B's integrals over the scales agree with scipy's, and so do its constants."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.special import gammaincinv
from scipy.stats import chi2, kstest, norm, qmc
from torch import Tensor

from icl_mlflow.tasks.variance import Variance
from tests.tasks.contract import (
    assert_log_likelihood_is_that_of_the_law,
    assert_oracle_is_the_ratio_of_the_densities,
    assert_points_are_drawn_from_the_law_of_their_label,
)

WIDE = {"sigma_min": 0.01, "sigma_max": 100.0}
RANGES = [{}, {"sigma_min": 1.0, "sigma_max": 1.01}, WIDE]
#: Distances from the peak, in log sigma, at which scipy's quadrature starts anew.
STEPS = np.geomspace(1e-9, 10.0, 21).tolist()


def grid(task: Variance, n_points: int) -> tuple[Tensor, Tensor]:
    """m and Q of ``n_points`` points, for scales all over the range."""
    inside = np.geomspace(task.sigma_min, task.sigma_max, 42)[1:-1]
    sigma = torch.tensor(inside, dtype=torch.float64)
    m = torch.full_like(sigma, float(task.dim * n_points))
    return m, m * sigma.square()


def log_integral(task: Variance, m: float, q: float) -> float:
    """log M(m, q) by scipy's adaptive quadrature over sigma, led to the peak."""
    low, high = task.sigma_min, task.sigma_max
    peak = min(max(math.sqrt(q / m), low), high)

    def log_integrand(sigma: float) -> float:
        return -m * math.log(sigma) - q / (2 * sigma**2)

    def integrand(sigma: float) -> float:
        return math.exp(log_integrand(sigma) - log_integrand(peak))

    cuts = sorted(
        {peak * math.exp(side * step) for side in (-1, 1) for step in STEPS}
        | {low, peak, high}
    )
    inside = [cut for cut in cuts if low <= cut <= high]
    parts = [
        quad(integrand, *ends, epsabs=1e-16 * peak, epsrel=1e-11)[0]
        for ends in itertools.pairwise(inside)
    ]
    return log_integrand(peak) + math.log(sum(parts))


@pytest.mark.parametrize("limits", RANGES)
@pytest.mark.parametrize("n_points", [1, 33])
def test_the_quadrature_agrees_with_scipy(
    limits: dict[str, float], n_points: int
) -> None:
    task = Variance(**limits)
    m, q = grid(task, n_points)
    pairs = zip(m.tolist(), q.tolist(), strict=True)
    expected = [log_integral(task, *pair) for pair in pairs]
    np.testing.assert_allclose(task.log_evidence(m, q), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("scale", [0.01, 0.5, 3.0, 20.0, 1e3])
def test_scales_outside_the_range_are_integrated_too(scale: float) -> None:
    """A narrow prior met by data of far smaller or larger scale: a mass at one end."""
    task = Variance(sigma_min=1.0, sigma_max=2.0)
    m = torch.full((1,), 16.0 * 33, dtype=torch.float64)
    q = m * scale**2
    expected = log_integral(task, m.item(), q.item())
    assert task.log_evidence(m, q).item() == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("limits", [{}, {"sigma_min": 0.25, "sigma_max": 6.0}, WIDE])
@pytest.mark.parametrize("n_points", [1, 33, 2_001])
def test_the_quadrature_agrees_with_the_closed_form(
    limits: dict[str, float], n_points: int
) -> None:
    task = Variance(**limits)
    m, q = grid(task, n_points)
    # The values reach 1e5, of which float64 keeps eleven decimals.
    torch.testing.assert_close(
        task.log_evidence(m, q), task.log_evidence_closed_form(m, q), rtol=0, atol=1e-9
    )


def test_no_points_leave_the_length_of_the_range() -> None:
    nothing = torch.zeros(1, dtype=torch.float64)
    found = Variance().log_evidence(nothing, nothing)
    assert found.item() == pytest.approx(math.log(2.5), abs=1e-13)


def test_bayes_is_the_integral_over_both_priors() -> None:
    """Each class's predictive density, by scipy's normal and adaptive quadrature."""
    task = Variance(dim=2)
    episodes = task.sample(5, 4, stream="test")

    def evidence(x_ND: np.ndarray) -> float:
        def likelihood(sigma: float) -> float:
            return float(np.exp(norm.logpdf(x_ND, scale=sigma).sum()))

        value, _ = quad(likelihood, 0.5, 3.0, epsabs=0, epsrel=1e-11, limit=200)
        return value

    expected = []
    for x_ND, y_N, query_D in zip(
        episodes.context_x_BND.double().numpy(),
        episodes.context_y_BN.numpy(),
        episodes.query_x_BD.double().numpy(),
        strict=True,
    ):
        zero, one = (
            math.log(evidence(np.vstack([x_ND[y_N == y], query_D])))
            - math.log(evidence(x_ND[y_N == y]))
            for y in (0, 1)
        )
        expected.append(one - zero)
    np.testing.assert_allclose(task.bayes_logit(episodes), expected, atol=1e-9)


def test_with_much_context_bayes_becomes_the_oracle() -> None:
    task = Variance(dim=2)
    episodes = task.sample(500, 2_000, stream="test")
    bayes_B, oracle_B = task.bayes_logit(episodes), task.oracle_llr(episodes)
    assert bayes_B.isfinite().all()
    # Each scale is known to 1 / sqrt(2 d n / 2) of itself, and d log p / d log sigma
    # has variance 2 d at the truth, so that each class adds 1 / n to the mean square
    # where the query is its own; the other class can add more, the median does not.
    assert (bayes_B - oracle_B).abs().median() <= 2 / math.sqrt(2_000)


@pytest.mark.parametrize("dim", [1, 512])
def test_extreme_dimensions_stay_finite_and_calibrated(dim: int) -> None:
    task = Variance(dim=dim)
    episodes = task.sample(1_000, 8, stream="test")
    logit_B = task.bayes_logit(episodes)
    assert logit_B.isfinite().all()
    error_B = (episodes.query_y_B.double() - logit_B.sigmoid()) * logit_B.clamp(-5, 5)
    assert error_B.mean().abs() <= 3 * error_B.std() / math.sqrt(1_000)


def exact_accuracy(dim: int, low: float, high: float) -> float:
    """By nested adaptive quadrature over sigma_0 < sigma_1, each equally likely."""

    def right(sigma_0: float, sigma_1: float) -> float:
        ratio = sigma_1 / sigma_0
        cut = 2 * dim * math.log(ratio)  # in units of |x|^2, for LLR = 0
        under_0 = chi2.cdf(cut / (1 - ratio**-2), dim)
        return float(under_0 + chi2.sf(cut / (ratio**2 - 1), dim)) / 2

    def inner(sigma_1: float) -> float:
        return float(quad(right, low, sigma_1, (sigma_1,), epsabs=1e-10)[0])

    return float(2 * quad(inner, low, high, epsabs=1e-9)[0] / (high - low) ** 2)


@pytest.mark.parametrize("dim", [1, 16, 64])
def test_the_accuracy_of_the_oracle_is_exact(dim: int) -> None:
    found = Variance(dim=dim).oracle().accuracy
    assert found == pytest.approx(exact_accuracy(dim, 0.5, 3.0), abs=1e-8)


def test_the_constants_of_the_default_size() -> None:
    exact = Variance().oracle()
    assert exact.accuracy == pytest.approx(0.8398462, abs=1e-7)
    assert exact.auc == pytest.approx(0.938656, abs=1e-6)


@pytest.mark.parametrize("limits", RANGES)
@pytest.mark.parametrize("dim", [1, 16, 512])
def test_the_area_under_the_curve_of_the_oracle_is_exact(
    dim: int, limits: dict[str, float]
) -> None:
    """Against quasi-random draws of both sigmas and of |x|^2; LLR | 0 ~ -LLR | 1."""
    task = Variance(dim=dim, **limits)
    unit = qmc.Sobol(3, rng=np.random.default_rng(0)).random_base2(17)
    sigma = task.sigma_min + (task.sigma_max - task.sigma_min) * unit[:, :2]
    half_z = gammaincinv(dim / 2, unit[:, 2]) * sigma[:, 1] ** 2
    llr = dim * np.log(sigma[:, 0] / sigma[:, 1])
    llr += half_z * (sigma[:, 0] ** -2 - sigma[:, 1] ** -2)
    auc = np.searchsorted(np.sort(-llr), llr).mean() / len(llr)
    # Sobol points leave about 1e-5 here; as many random ones would leave 1e-3.
    assert task.oracle().auc == pytest.approx(auc, abs=1e-4)


def test_the_latents_have_the_stated_prior() -> None:
    task = Variance(sigma_min=1.0, sigma_max=3.0)
    sigma_B2 = task.sample(100_000, 0, stream="test").latents["sigma"].double()
    for label in (0, 1):
        assert kstest((sigma_B2[:, label] - 1) / 2, "uniform").pvalue > 1e-3
    assert abs(float(torch.corrcoef(sigma_B2.T)[0, 1])) <= 3 / math.sqrt(100_000)


def test_an_empty_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"sigma_min=3.0 must be below sigma_max=3.0"):
        Variance(sigma_min=3.0)


def law_of_x(y: int, latents: dict[str, np.ndarray]) -> Any:
    return norm(scale=latents["sigma"][:, y, None])


def test_episodes_and_oracle_follow_the_law_of_x() -> None:
    assert_oracle_is_the_ratio_of_the_densities("B", law_of_x)
    assert_points_are_drawn_from_the_law_of_their_label("B", law_of_x)
    assert_log_likelihood_is_that_of_the_law("B", law_of_x)
