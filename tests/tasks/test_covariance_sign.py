"""Task C's integral over the correlation agrees with scipy's; so do its constants."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.special import logsumexp
from scipy.stats import kstest, multivariate_normal, norm

from icl_mlflow.episodes import Episodes
from icl_mlflow.evaluation import expected_accuracy
from icl_mlflow.tasks.covariance_sign import CovarianceSign, _cubic_roots
from icl_mlflow.tasks.labels import known_when_flipped
from tests.tasks.contract import (
    assert_log_likelihood_is_that_of_the_law,
    assert_oracle_is_the_ratio_of_the_densities,
    assert_points_are_drawn_from_the_law_of_their_label,
)
from tests.tasks.labellings import KNOWN, by_enumeration, seeded


def points_and_signs(episodes: Episodes, i: int) -> tuple[np.ndarray, np.ndarray]:
    """The points of episode i, the query last, and the context's signs."""
    x_SD = torch.cat([episodes.context_x_BND[i], episodes.query_x_BD[i : i + 1]])
    return x_SD.double().numpy(), 2 * episodes.context_y_BN[i].numpy() - 1


def by_densities(task: CovarianceSign, x_SD: np.ndarray, sign_N: np.ndarray) -> float:
    """The log-odds from scipy's normal density of every point, on a grid of rho."""
    half = task.dim // 2
    identity = np.eye(half)
    node, weight = np.polynomial.legendre.leggauss(400)

    def log_density(x_D: np.ndarray, rho: float) -> float:
        covariance = np.block([[identity, rho * identity], [rho * identity, identity]])
        return float(multivariate_normal(cov=covariance).logpdf(x_D))

    log_marginal = []
    for query_sign in (1, -1):
        signs = [*sign_N.tolist(), query_sign]
        log_likelihood = [
            sum(log_density(x, s * rho) for x, s in zip(x_SD, signs, strict=True))
            for rho in task.rho_max * node
        ]
        log_marginal.append(logsumexp(log_likelihood, b=weight))
    return float(log_marginal[0] - log_marginal[1])


@pytest.mark.parametrize(("dim", "rho_max"), [(2, 0.9), (4, 0.5)])
def test_bayes_is_the_integral_over_the_prior(dim: int, rho_max: float) -> None:
    task = CovarianceSign(dim=dim, rho_max=rho_max)
    episodes = task.sample(3, 3, stream="test")
    expected = [by_densities(task, *points_and_signs(episodes, i)) for i in range(3)]
    np.testing.assert_allclose(task.bayes_logit(episodes), expected, atol=1e-7)


def by_adaptive_quadrature(
    task: CovarianceSign, x_SD: np.ndarray, sign_N: np.ndarray
) -> float:
    """The log-odds by scipy's quadrature over artanh(rho), cut into small pieces.

    Over artanh(rho) the integrand is as narrow everywhere as the data are many, so that
    pieces of that width leave scipy nothing to miss.
    """
    half = task.dim // 2
    product_S = (x_SD[:, :half] * x_SD[:, half:]).sum(1)
    square = float((x_SD**2).sum())
    reach = math.atanh(task.rho_max)
    cuts = np.linspace(-reach, reach, 20 + 4 * math.ceil(math.sqrt(len(x_SD) * half)))

    def log_marginal(query_sign: int) -> float:
        signed = float((product_S * np.append(sign_N, query_sign)).sum())

        def log_value(place: float) -> float:
            rho = math.tanh(place)
            rest = 1 - rho**2
            log_likelihood = -len(x_SD) * half / 2 * math.log(rest)
            # The last term is the density of artanh(rho), where rho is uniform.
            return (
                log_likelihood
                - (square - 2 * rho * signed) / (2 * rest)
                + math.log(rest)
            )

        top = max(map(log_value, np.linspace(-reach, reach, 20_001)))

        def value(place: float) -> float:
            return math.exp(log_value(place) - top)

        pieces = itertools.pairwise(cuts)
        return top + math.log(sum(quad(value, *e, epsabs=1e-15)[0] for e in pieces))

    return log_marginal(1) - log_marginal(-1)


@pytest.mark.parametrize(
    ("n_context", "rho_max"), [(0, 0.9), (1, 0.999), (32, 0.9), (1_024, 0.9)]
)
def test_short_and_long_contexts_agree_with_adaptive_quadrature(
    n_context: int, rho_max: float
) -> None:
    """Fixed nodes, a hundred, err by .6 nats at 1 024 points."""
    task = CovarianceSign(rho_max=rho_max)
    episodes = task.sample(4, n_context, stream="test")
    expected = [
        by_adaptive_quadrature(task, *points_and_signs(episodes, i)) for i in range(4)
    ]
    np.testing.assert_allclose(
        task.bayes_logit(episodes), expected, rtol=1e-9, atol=1e-9
    )


def test_a_posterior_of_two_modes_keeps_both() -> None:
    """Two short points: rho may be near R or near -R, and hardly anything between."""
    task = CovarianceSign(dim=8, rho_max=0.999)
    small = torch.full((1, 2, 8), 0.05)
    episodes = Episodes(
        context_x_BND=small, context_y_BN=torch.tensor([[0, 0]]),
        query_x_BD=small[:, 0], query_y_B=torch.zeros(1, dtype=torch.int64), latents={},
    )  # fmt: skip
    expected = by_adaptive_quadrature(task, *points_and_signs(episodes, 0))
    assert task.bayes_logit(episodes).item() == pytest.approx(expected, rel=1e-9)
    assert abs(expected) > 0.1


def test_cubics_are_solved() -> None:
    rng = np.random.default_rng(0)
    root_R3 = np.sort(rng.uniform(-2, 2, (200, 3)), axis=1)
    three = np.array([np.poly(roots)[1:] for roots in root_R3])
    found_R3 = _cubic_roots(*torch.from_numpy(three).unbind(1))
    np.testing.assert_allclose(found_R3.sort(1).values, root_R3, atol=1e-6)
    one = np.array(
        [np.convolve([1, -r[0]], [1, r[1], r[1] ** 2 + 0.1])[1:] for r in root_R3]
    )
    found_R1 = _cubic_roots(*torch.from_numpy(one).unbind(1))
    np.testing.assert_allclose(found_R1[:, 0], root_R3[:, 0], atol=1e-9)
    mixed = _cubic_roots(*torch.from_numpy(np.concatenate([three, one])).unbind(1))
    torch.testing.assert_close(mixed[:200], found_R3)
    torch.testing.assert_close(mixed[200:], found_R1.expand(-1, 3))


@pytest.mark.parametrize("what", KNOWN)
@pytest.mark.parametrize("rho_max", [0.5, 0.99])
def test_with_hidden_labels_it_is_the_sum_over_all_labellings(
    rho_max: float, what: str
) -> None:
    task = CovarianceSign(dim=4, rho_max=rho_max)
    episodes = task.sample(10, 4, seed=3)
    known = KNOWN[what](episodes)
    found_B = task.corrupted_bayes_logit(episodes, known, seeded())
    expected_B = by_enumeration(task, episodes, known)
    torch.testing.assert_close(found_B, expected_B, rtol=0, atol=1e-7)


def test_long_contexts_of_hidden_labels_are_resolved() -> None:
    """Labels that hardly lie are labels: the answer is that of the Bayes predictor."""
    task = CovarianceSign()
    episodes = task.sample(20, 256)
    known = known_when_flipped(episodes, 1e-12)
    found_B = task.corrupted_bayes_logit(episodes, known, seeded())
    torch.testing.assert_close(found_B, task.bayes_logit(episodes), rtol=0, atol=1e-4)


def test_with_much_context_bayes_and_the_plug_in_become_the_oracle() -> None:
    task = CovarianceSign(dim=4)
    episodes = task.sample(200, 4_000, stream="test")
    oracle_B = task.oracle_llr(episodes)
    for answer_B in (task.bayes_logit(episodes), task.plug_in_logit(episodes)):
        assert (answer_B - oracle_B).abs().median() < 0.05


def test_the_plug_in_takes_the_top_of_the_likelihood() -> None:
    task = CovarianceSign(dim=4)
    episodes = task.sample(30, 6, stream="test")
    grid_G = np.linspace(-0.9, 0.9, 36_001)
    product_B = (
        episodes.query_x_BD[:, :2].double() * episodes.query_x_BD[:, 2:].double()
    )
    for i, found in enumerate(task.plug_in_logit(episodes).tolist()):
        x_SD, sign_N = points_and_signs(episodes, i)
        square = float((x_SD[:-1] ** 2).sum())
        signed = float((sign_N[:, None] * x_SD[:-1, :2] * x_SD[:-1, 2:]).sum())
        rest_G = 1 - grid_G**2
        log_G = -6 * np.log(rest_G) - (square - 2 * grid_G * signed) / (2 * rest_G)
        rho = grid_G[log_G.argmax()]
        expected = 2 * rho / (1 - rho**2) * float(product_B[i].sum())
        assert found == pytest.approx(expected, rel=2e-3, abs=1e-3)


@pytest.mark.parametrize(("rho_max", "accuracy"), [(0.9, 0.848095), (0.95, 0.856086)])
def test_the_accuracy_of_the_oracle_is_known(rho_max: float, accuracy: float) -> None:
    found = CovarianceSign(rho_max=rho_max).oracle().accuracy
    assert found == pytest.approx(accuracy, abs=1e-6)


def test_a_fixed_correlation_of_one_product_has_an_elementary_oracle() -> None:
    """Normals of correlation r agree in sign with chance 1/2 + arcsin(r) / pi."""
    found = CovarianceSign(dim=2, rho_max=0.9).oracle().accuracy
    mean, _ = quad(lambda r: 0.5 + math.asin(r) / math.pi, 0, 0.9)
    assert found == pytest.approx(mean / 0.9, abs=1e-12)


def test_rules_that_add_know_nothing_and_bayes_almost_all() -> None:
    task = CovarianceSign()
    episodes = task.sample(20_000, 32, stream="test")
    bayes_B = task.bayes_logit(episodes)
    assert expected_accuracy(bayes_B, bayes_B).mean() == pytest.approx(0.838, abs=0.02)
    sign_BN = 2 * episodes.context_y_BN.double() - 1
    mean_BD = torch.einsum("bn,bnd->bd", sign_BN, episodes.context_x_BND.double())
    linear_B = (mean_BD * episodes.query_x_BD.double()).sum(-1)
    right_B = (linear_B > 0) == (episodes.query_y_B > 0)
    assert right_B.double().mean() == pytest.approx(0.5, abs=3 * 0.5 / 20_000**0.5)


def test_the_latent_has_the_stated_prior() -> None:
    rho_B = CovarianceSign(rho_max=0.7).sample(100_000, 0, stream="test").latents["rho"]
    assert kstest((rho_B.double().numpy() / 0.7 + 1) / 2, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("dim", [2, 512])
def test_extreme_dimensions_stay_finite_and_calibrated(dim: int) -> None:
    task = CovarianceSign(dim=dim, rho_max=0.999)
    episodes = task.sample(1_000, 8, stream="test")
    logit_B = task.bayes_logit(episodes)
    assert logit_B.isfinite().all()
    error_B = (episodes.query_y_B.double() - logit_B.sigmoid()) * logit_B.clamp(-5, 5)
    assert error_B.mean().abs() <= 3 * error_B.std() / math.sqrt(1_000)


def test_halves_of_different_size_are_refused() -> None:
    with pytest.raises(ValueError, match="dim must be even, not 5: x has two halves"):
        CovarianceSign(dim=5)


class Correlated:
    """The law of (a, b) as independent coordinates: a, and b given a."""

    def __init__(self, rho_B1: np.ndarray) -> None:
        self._rho_B1, self._own = rho_B1, np.sqrt(1 - rho_B1**2)

    def _laws(self, x_BD: np.ndarray) -> list[tuple[Any, np.ndarray]]:
        a, b = np.split(x_BD, 2, axis=-1)
        return [(norm(), a), (norm(self._rho_B1 * a, self._own), b)]

    def logpdf(self, x_BD: np.ndarray) -> np.ndarray:
        halves = [law.logpdf(half) for law, half in self._laws(x_BD)]
        return np.concatenate(halves, axis=-1)

    def cdf(self, x_BD: np.ndarray) -> np.ndarray:
        halves = [law.cdf(half) for law, half in self._laws(x_BD)]
        return np.concatenate(halves, axis=-1)


def law_of_x(y: int, latents: dict[str, np.ndarray]) -> Correlated:
    return Correlated((2 * y - 1) * latents["rho"][:, None])


def test_episodes_and_oracle_follow_the_law_of_x() -> None:
    assert_oracle_is_the_ratio_of_the_densities("C", law_of_x)
    assert_points_are_drawn_from_the_law_of_their_label("C", law_of_x)
    assert_log_likelihood_is_that_of_the_law("C", law_of_x)
