r"""Task D: two laws of the same mean and variance, Laplace's and Gauss'.

Per episode sigma is log-uniform on [sigma_min, sigma_max], and a fair coin z says which
of the labels is Laplace's. All coordinates of x are independent, with variance sigma^2:

    x | Gauss ~ N(0, sigma^2),    x | Laplace ~ exp(-sqrt2 |x| / sigma) / (sqrt2 sigma),
    LLR(Laplace over Gauss) = (D/2) log pi + |x|^2 / (2 sigma^2) - sqrt2 |x|_1 / sigma

(nats; |.|_1 the sum of absolute values), and its opposite where label 0 is Laplace's.
Neither means nor variances tell the classes apart, but the shape of the law. Without
the hidden coin the labels of the context would hardly matter.
"""

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor

from icl_mlflow.episodes import Episodes
from icl_mlflow.settings import check, setting
from icl_mlflow.tasks.base import OracleConstants, Symmetry, Task
from icl_mlflow.tasks.integrals.hidden_labels import Hypotheses, hidden_labels_logit
from icl_mlflow.tasks.integrals.laplace_gauss_oracle import laplace_gauss_oracle
from icl_mlflow.tasks.integrals.quadrature import log_integral, unit_legendre
from icl_mlflow.tasks.labels import KnownLabels

#: Coordinates drawn at once: few enough for the cache.
_CHUNK = 100_000
_ROOT = math.sqrt(2)


@dataclass(frozen=True)
class LaplaceGauss(Task):
    """Task D: whether the query's coordinates are spread as one class's or the other's.

    Attributes:
        dim: dimension of x.
        sigma_min, sigma_max: range of the standard deviation that the classes share.
    """

    dim: int = setting(16, "Dimension of x.", minimum=1)
    sigma_min: float = setting(0.5, "Smallest standard deviation.", above=0)
    sigma_max: float = setting(3.0, "Largest standard deviation.", above=0)

    shifts: ClassVar[Mapping[str, Mapping[str, float]]] = {
        "wide_range": {"sigma_min": 0.25, "sigma_max": 6.0},
        "narrow_range": {"sigma_min": 1.0, "sigma_max": 2.0},
    }
    sweeps: ClassVar[Mapping[str, tuple[float, ...]]] = {
        "sigma_min": (0.1, 0.25, 0.5, 1.0, 2.0),
        "sigma_max": (1.0, 1.5, 2.0, 3.0, 4.5, 6.0, 10.0),
    }
    # Nothing eases it: a known scale hardly helps, and the two laws have no parameter.
    symmetries: ClassVar[frozenset[Symmetry]] = frozenset({"classes"})
    sufficient: ClassVar[tuple[str, ...]] = ("n_1", "Q_0", "Q_1", "A_0", "A_1")

    def __post_init__(self) -> None:
        check(self)
        if self.sigma_min >= self.sigma_max:
            raise ValueError(
                f"sigma_min={self.sigma_min} must be below sigma_max={self.sigma_max}"
            )

    def draw_latents(self, n_episodes: int, rng: Generator) -> dict[str, Tensor]:
        """The scale ``sigma``, and which label is ``laplace`` (0 or 1): (B,) each."""
        low, high = math.log(self.sigma_min), math.log(self.sigma_max)
        sigma_B = torch.rand(n_episodes, generator=rng, device=rng.device)
        sigma_B.mul_(high - low).add_(low).exp_()
        label_B = torch.randint(2, (n_episodes,), generator=rng, device=rng.device)
        return {"sigma": sigma_B, "laplace": label_B}

    def draw_points(
        self, latents: Mapping[str, Tensor], y_BS: Tensor, rng: Generator
    ) -> Tensor:
        """Noise of the law of its label, its deviation sigma: (B, S, D).

        A normal deviate times the root of an exponential one is Laplace's: here those
        of L points.
        """
        shape = (*y_BS.shape, self.dim)
        x_BSD = torch.randn(shape, generator=rng, device=rng.device)
        x_BSD.mul_(latents["sigma"][:, None, None])
        laplace_BS = y_BS == latents["laplace"].unsqueeze(-1)
        size = max(1, _CHUNK // (y_BS.shape[1] * self.dim))
        for start in range(0, len(y_BS), size):
            part = slice(start, start + size)
            here_LD = x_BSD[part][laplace_BS[part]]
            unit_LD = torch.rand(here_LD.shape, generator=rng, device=rng.device)
            # -log(1 - u) is exponential, and finite: u is never 1.
            here_LD.mul_(unit_LD.neg_().log1p_().neg_().sqrt_())
            x_BSD[part][laplace_BS[part]] = here_LD
        return x_BSD

    def log_likelihood(
        self, x_BSD: Tensor, y_BS: Tensor, latents: Mapping[str, Tensor]
    ) -> Tensor:
        """The log density of points given sigma and the coin: (B, M) float64, nats."""
        square_B2, size_B2, ones_B = _class_sums(x_BSD, y_BS)
        n_points = y_BS.shape[1]
        n_laplace_B2 = torch.stack([n_points - ones_B, ones_B], 1)
        coin_M = latents["laplace"].long()
        u_M = latents["sigma"].double().log()
        seen = square_B2[:, 1 - coin_M], size_B2[:, coin_M]
        density_BM = _log_density(n_points * self.dim, u_M, *seen)
        return density_BM + self._constants(n_points, n_laplace_B2[:, coin_M])

    def oracle_llr(self, episodes: Episodes) -> Tensor:
        """The log-likelihood ratio, its sign by the coin: (B,) float64, nats."""
        sign_B = 2 * episodes.latents["laplace"].double() - 1
        return sign_B * _llr(episodes, episodes.latents["sigma"].double())

    def bayes_logit(self, episodes: Episodes) -> Tensor:
        r"""The exact log-odds of y_q = 1, sigma and the coin summed out: (B,) float64.

        With A and Q the sums of |x| and x^2 over the m coordinates of a class, the
        query's under its supposed label among them, and u = log sigma,

            E(z) = log of the integral over the range of u of
                   exp(-(m_G + m_L) u - Q_G e^(-2u) / 2 - sqrt2 A_L e^(-u)) du
                   - (m_G / 2) log 2 pi - (m_L / 2) log 2,

        G and L being the classes that z makes Gauss' and Laplace's; the log-odds are
        logsumexp_z E under y_q = 1 less the same under y_q = 0.
        """
        return self.bayes_logit_of(
            self.statistics(episodes), episodes.query_x_BD, episodes.n_context
        )

    def bayes_logit_of(
        self, statistics: Mapping[str, Tensor], query_x_BD: Tensor, n_context: int
    ) -> Tensor:
        """The same of n_1 and the context's A and Q of each class: (B,) float64."""
        square_B2, size_B2, ones_B = _by_class(statistics)
        query_square_B, query_size_B = _sums(query_x_BD)
        nothing_B = torch.zeros_like(query_size_B)
        # By the coin (the label that is Laplace's) and the query's law (Gauss', L.).
        laplace_B22 = torch.stack([nothing_B, query_size_B], 1).unsqueeze(1)
        laplace_B22 = laplace_B22 + size_B2.unsqueeze(2)
        gauss_B22 = torch.stack([query_square_B, nothing_B], 1).unsqueeze(1)
        gauss_B22 = gauss_B22 + square_B2.flip(1).unsqueeze(2)
        n_laplace_B2 = torch.stack([n_context - ones_B, ones_B], 1)
        n_laplace_B22 = n_laplace_B2.unsqueeze(2) + torch.arange(2).to(ones_B)
        evidence_B22 = self._log_evidence(
            n_context + 1, n_laplace_B22, gauss_B22, laplace_B22
        )
        if_one_B = torch.logaddexp(evidence_B22[:, 0, 0], evidence_B22[:, 1, 1])
        if_zero_B = torch.logaddexp(evidence_B22[:, 0, 1], evidence_B22[:, 1, 0])
        return if_one_B - if_zero_B

    def statistics(self, episodes: Episodes) -> dict[str, Tensor]:
        """n_1, the points of class 1, and each class's Q and A: (B, 1) each."""
        square_B2, size_B2, ones_B = _class_sums(
            episodes.context_x_BND, episodes.context_y_BN
        )
        classes = {
            f"{name}_{label}": sums_B2[:, label : label + 1]
            for name, sums_B2 in (("Q", square_B2), ("A", size_B2))
            for label in (0, 1)
        }
        return {"n_1": ones_B.unsqueeze(1), **classes}

    def corrupted_bayes_logit(
        self, episodes: Episodes, known: KnownLabels, rng: Generator
    ) -> Tensor:
        """The log-odds of y_q = 1 when the context's labels are hidden: (B,) float64.

        By quadrature over log sigma, whose posterior is never narrower than
        1 / sqrt(2 N D), for either side of the coin.
        """
        del rng
        reach = math.log(self.sigma_max / self.sigma_min)
        coordinates = (episodes.n_context + 1) * self.dim
        unit, weight = unit_legendre(32 + math.ceil(1.4 * reach * coordinates**0.5))
        u_G = torch.from_numpy(math.log(self.sigma_min) + reach * unit)
        log_weight_G = torch.from_numpy(weight).log()

        def of_class(sign: int, x_D: Tensor) -> Tensor:
            u = u_G.to(x_D.device)
            square, size = (each.unsqueeze(-1) for each in _sums(x_D))
            gauss = -self.dim / 2 * math.log(2 * math.pi) - square / 2 * (-2 * u).exp()
            laplace = -self.dim / 2 * math.log(2) - _ROOT * size * (-u).exp()
            coins = [laplace, gauss] if sign < 0 else [gauss, laplace]
            return torch.cat([law - self.dim * u for law in coins], dim=-1)

        hypotheses = Hypotheses(log_weight_G.repeat(2), of_class)
        return hidden_labels_logit(hypotheses, episodes, known)

    def plug_in_logit(self, episodes: Episodes) -> Tensor:
        """The log-likelihood ratio at the most probable coin and log sigma: (B,), nats.

        Float64; 0 where both sides of the coin are as probable, as without a context.
        """
        if not episodes.n_context:
            return episodes.query_x_BD.new_zeros(len(episodes), dtype=torch.float64)
        square_B2, size_B2, ones_B = _class_sums(
            episodes.context_x_BND, episodes.context_y_BN
        )
        gauss_B2 = square_B2.flip(1)
        n_laplace_B2 = torch.stack([episodes.n_context - ones_B, ones_B], 1)
        m = episodes.n_context * self.dim
        u_B2 = self._peak(m, gauss_B2, size_B2)
        top_B2 = _log_density(m, u_B2, gauss_B2, size_B2)
        top_B2 = top_B2 + self._constants(episodes.n_context, n_laplace_B2)
        coin_B1 = top_B2.argmax(1, keepdim=True)
        sign_B = (top_B2[:, 1] - top_B2[:, 0]).sign()
        return sign_B * _llr(episodes, u_B2.gather(1, coin_B1)[:, 0].exp())

    def oracle(self) -> OracleConstants:
        """Accuracy and pooled AUC of the LLR, by inversion; sigma does not matter."""
        return laplace_gauss_oracle(self.dim)

    def _log_evidence(
        self, n: int, n_laplace: Tensor, square: Tensor, size: Tensor
    ) -> Tensor:
        """E of `bayes_logit`, of n points, so many of them Laplace's: any one shape."""
        m, numbers_R = n * self.dim, (square.flatten(), size.flatten())
        peak_R = self._peak(m, *numbers_R)
        low_R = torch.full_like(peak_R, math.log(self.sigma_min))
        high_R = torch.full_like(peak_R, math.log(self.sigma_max))
        edges_RE = torch.stack([low_R, peak_R, high_R], dim=1)
        log_density = functools.partial(_log_density, m)
        found_R = log_integral(log_density, edges_RE, *numbers_R)
        return found_R.view_as(square) + self._constants(n, n_laplace)

    def _peak(self, m: int, square: Tensor, size: Tensor) -> Tensor:
        """The u at which the integrand is largest; it is log-concave in u.

        There Q v^2 + sqrt2 A v = m for v = e^(-u).
        """
        half = size / _ROOT
        v = m / (half + (half.square() + square * m).sqrt())
        return (-v.log()).clamp(math.log(self.sigma_min), math.log(self.sigma_max))

    def _constants(self, n: int, n_laplace: Tensor) -> Tensor:
        """-(m_G/2) log 2pi - (m_L/2) log 2, of n points, so many of them Laplace's."""
        share = (n - n_laplace) * math.log(2 * math.pi) + n_laplace * math.log(2)
        return -self.dim / 2 * share


def _sums(x_D: Tensor) -> tuple[Tensor, Tensor]:
    """The sum of squares and of absolute values along the last axis: float64."""
    wide_D = x_D.double()
    return wide_D.square().sum(-1), wide_D.abs().sum(-1)


def _class_sums(x_BSD: Tensor, y_BS: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of points by label: sums of squares and of absolute values (B, 2); ones (B,)."""
    label_BS = y_BS.double()
    weight_B2S = torch.stack([1 - label_BS, label_BS], dim=1)
    square_B2, size_B2 = (
        (weight_B2S * each_BS.unsqueeze(1)).sum(-1) for each_BS in _sums(x_BSD)
    )
    return square_B2, size_B2, label_BS.sum(1)


def _by_class(statistics: Mapping[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """The same out of what `LaplaceGauss.statistics` gives."""
    square_B2, size_B2 = (
        torch.cat([statistics[f"{name}_{label}"] for label in (0, 1)], dim=1)
        for name in "QA"
    )
    return square_B2, size_B2, statistics["n_1"][:, 0]


def _llr(episodes: Episodes, sigma_B: Tensor) -> Tensor:
    """Of Laplace's law over Gauss'."""
    square_B, size_B = _sums(episodes.query_x_BD)
    constant = episodes.dim / 2 * math.log(math.pi)
    return constant + square_B / (2 * sigma_B.square()) - _ROOT * size_B / sigma_B


def _log_density(m: int, u: Tensor, square: Tensor, size: Tensor) -> Tensor:
    """Of m coordinates given log sigma, up to `LaplaceGauss._constants`."""
    v = (-u).exp()
    return -m * u - square / 2 * v.square() - _ROOT * size * v


DEFAULT = LaplaceGauss()
