"""Task D's integral over the scale agrees with scipy's, and so do its constants."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.special import logsumexp
from scipy.stats import kstest, laplace, norm

from icl_mlflow.episodes import Episodes
from icl_mlflow.tasks.labels import known_when_flipped
from icl_mlflow.tasks.laplace_gauss import LaplaceGauss
from tests.tasks.contract import (
    assert_log_likelihood_is_that_of_the_law,
    assert_oracle_is_the_ratio_of_the_densities,
    assert_points_are_drawn_from_the_law_of_their_label,
)
from tests.tasks.labellings import KNOWN, by_enumeration, seeded

WIDE = {"sigma_min": 0.01, "sigma_max": 100.0}


def points_and_labels(episodes: Episodes, i: int) -> tuple[np.ndarray, np.ndarray]:
    """The points of episode i, the query last, and the context's labels."""
    x_SD = torch.cat([episodes.context_x_BND[i], episodes.query_x_BD[i : i + 1]])
    return x_SD.double().numpy(), episodes.context_y_BN[i].numpy()


def by_adaptive_quadrature(
    task: LaplaceGauss, x_SD: np.ndarray, label_N: np.ndarray
) -> float:
    """The log-odds from scipy's densities of every coordinate, over log sigma."""
    low, high = math.log(task.sigma_min), math.log(task.sigma_max)
    n_cuts = 20 + math.ceil(2 * (high - low) * math.sqrt(x_SD.size))
    cuts = np.linspace(low, high, n_cuts)

    def log_evidence(is_laplace_S: np.ndarray) -> float:
        def log_likelihood(u: float) -> float:
            sigma = math.exp(u)
            gauss = norm.logpdf(x_SD[~is_laplace_S], scale=sigma).sum()
            scale = sigma / math.sqrt(2)
            return float(gauss + laplace.logpdf(x_SD[is_laplace_S], scale=scale).sum())

        top = max(map(log_likelihood, cuts))

        def value(u: float) -> float:
            return math.exp(log_likelihood(u) - top)

        # Far from the top nothing is left to integrate.
        near = [
            ends
            for ends in itertools.pairwise(cuts)
            if max(map(log_likelihood, ends)) > top - 60
        ]
        return top + math.log(sum(quad(value, *e, epsabs=1e-14)[0] for e in near))

    found = []
    for query in (1, 0):
        label_S = np.append(label_N, query)
        found.append(logsumexp([log_evidence(label_S == coin) for coin in (0, 1)]))
    return float(found[0] - found[1])


@pytest.mark.parametrize(
    ("dim", "n_context", "limits"),
    [
        (1, 3, {}),
        (2, 0, {}),
        (3, 4, {"sigma_min": 1.0, "sigma_max": 1.01}),
        (2, 5, WIDE),
        (16, 32, {}),
        (16, 1_024, {}),
    ],
)
def test_bayes_is_the_integral_over_the_prior(
    dim: int, n_context: int, limits: dict[str, float]
) -> None:
    """Fixed nodes, a hundred, err by .036 nats at 1 024 points."""
    task = LaplaceGauss(dim=dim, **limits)  # type: ignore[arg-type]
    episodes = task.sample(1 if n_context > 100 else 3, n_context, stream="test")
    expected = [
        by_adaptive_quadrature(task, *points_and_labels(episodes, i))
        for i in range(len(episodes))
    ]
    np.testing.assert_allclose(
        task.bayes_logit(episodes), expected, rtol=1e-8, atol=1e-8
    )


@pytest.mark.parametrize("scale", [1e-3, 30.0])
def test_scales_outside_the_range_are_integrated_too(scale: float) -> None:
    task = LaplaceGauss(dim=2, sigma_min=1.0, sigma_max=2.0)
    drawn = task.sample(2, 6, stream="test")
    episodes = Episodes(
        context_x_BND=scale * drawn.context_x_BND, context_y_BN=drawn.context_y_BN,
        query_x_BD=scale * drawn.query_x_BD, query_y_B=drawn.query_y_B, latents={},
    )  # fmt: skip
    expected = [
        by_adaptive_quadrature(task, *points_and_labels(episodes, i)) for i in range(2)
    ]
    np.testing.assert_allclose(task.bayes_logit(episodes), expected, rtol=1e-8)


@pytest.mark.parametrize("what", KNOWN)
@pytest.mark.parametrize("limits", [{}, {"sigma_min": 0.25, "sigma_max": 6.0}], ids=str)
def test_with_hidden_labels_it_is_the_sum_over_all_labellings(
    limits: dict[str, float], what: str
) -> None:
    task = LaplaceGauss(dim=3, **limits)  # type: ignore[arg-type]
    episodes = task.sample(10, 4, seed=3)
    known = KNOWN[what](episodes)
    found_B = task.corrupted_bayes_logit(episodes, known, seeded())
    expected_B = by_enumeration(task, episodes, known)
    torch.testing.assert_close(found_B, expected_B, rtol=0, atol=1e-7)


@pytest.mark.parametrize("limits", [{}, WIDE], ids=str)
def test_long_contexts_of_hidden_labels_are_resolved(limits: dict[str, float]) -> None:
    """Labels that hardly lie are labels: the answer is that of the Bayes predictor."""
    task = LaplaceGauss(**limits)  # type: ignore[arg-type]
    episodes = task.sample(10, 256)
    known = known_when_flipped(episodes, 1e-12)
    found_B = task.corrupted_bayes_logit(episodes, known, seeded())
    torch.testing.assert_close(found_B, task.bayes_logit(episodes), rtol=0, atol=1e-4)


def test_without_the_coin_labels_would_hardly_matter_and_with_it_they_do() -> None:
    """Half of the context's labels exchanged leave the coin unknown: no answer."""
    task = LaplaceGauss()
    episodes = task.sample(500, 32, stream="test")
    mixed = Episodes(
        context_x_BND=episodes.context_x_BND.repeat(1, 2, 1),
        context_y_BN=torch.cat([episodes.context_y_BN, 1 - episodes.context_y_BN], 1),
        query_x_BD=episodes.query_x_BD, query_y_B=episodes.query_y_B, latents={},
    )  # fmt: skip
    torch.testing.assert_close(
        task.bayes_logit(mixed), torch.zeros(500).double(), rtol=0, atol=1e-8
    )
    assert task.bayes_logit(episodes).abs().mean() > 0.5


def test_with_much_context_bayes_and_the_plug_in_become_the_oracle() -> None:
    task = LaplaceGauss(dim=4)
    episodes = task.sample(200, 4_000, stream="test")
    oracle_B = task.oracle_llr(episodes)
    for answer_B in (task.bayes_logit(episodes), task.plug_in_logit(episodes)):
        assert (answer_B - oracle_B).abs().median() < 0.05


def test_the_plug_in_takes_the_top_of_the_likelihood() -> None:
    task = LaplaceGauss(dim=2)
    episodes = task.sample(8, 5, stream="test")
    grid = np.linspace(math.log(0.5), math.log(3.0), 401)
    for i, found in enumerate(task.plug_in_logit(episodes).tolist()):
        x_SD, label_N = points_and_labels(episodes, i)
        tops = []
        for coin in (0, 1):
            own, other = x_SD[:-1][label_N == coin], x_SD[:-1][label_N != coin]
            log_G = [
                laplace.logpdf(own, scale=math.exp(u) / math.sqrt(2)).sum()
                + norm.logpdf(other, scale=math.exp(u)).sum()
                for u in grid
            ]
            tops.append((max(log_G), math.exp(grid[int(np.argmax(log_G))])))
        sign = 1 if tops[1] > tops[0] else -1
        sigma = max(tops)[1]
        ratio = laplace.logpdf(x_SD[-1], scale=sigma / math.sqrt(2)).sum()
        ratio -= norm.logpdf(x_SD[-1], scale=sigma).sum()
        assert found == pytest.approx(sign * float(ratio), abs=0.05)


def test_the_accuracy_of_the_oracle_is_known() -> None:
    assert LaplaceGauss().oracle().accuracy == pytest.approx(0.752806, abs=1e-6)
    assert LaplaceGauss().oracle() == LaplaceGauss(sigma_max=30.0).oracle()


def test_the_latents_have_the_stated_prior() -> None:
    latents = LaplaceGauss(sigma_min=1.0, sigma_max=3.0).sample(
        50_000, 0, stream="test"
    ).latents  # fmt: skip
    share = latents["sigma"].double().log().numpy() / math.log(3)
    assert kstest(share, "uniform").pvalue > 1e-3
    ones = float(latents["laplace"].double().mean())
    assert ones == pytest.approx(0.5, abs=3 * 0.5 / math.sqrt(50_000))


def test_an_empty_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"sigma_min=3.0 must be below sigma_max=3.0"):
        LaplaceGauss(sigma_min=3.0)


class Shape:
    """Laplace's law in those episodes whose coin says so, Gauss' in the others."""

    def __init__(self, sigma_B1: np.ndarray, is_laplace_B1: np.ndarray) -> None:
        self._is_laplace_B1 = is_laplace_B1
        self._laws = laplace(scale=sigma_B1 / math.sqrt(2)), norm(scale=sigma_B1)

    def logpdf(self, x_BD: np.ndarray) -> np.ndarray:
        one, other = (law.logpdf(x_BD) for law in self._laws)
        return np.where(self._is_laplace_B1, one, other)

    def cdf(self, x_BD: np.ndarray) -> np.ndarray:
        one, other = (law.cdf(x_BD) for law in self._laws)
        return np.where(self._is_laplace_B1, one, other)


def law_of_x(y: int, latents: dict[str, np.ndarray]) -> Any:
    coin_B1 = latents["laplace"][:, None] == y
    return Shape(latents["sigma"][:, None], coin_B1)


def test_episodes_and_oracle_follow_the_law_of_x() -> None:
    assert_oracle_is_the_ratio_of_the_densities("D", law_of_x)
    assert_points_are_drawn_from_the_law_of_their_label("D", law_of_x)
    assert_log_likelihood_is_that_of_the_law("D", law_of_x)
