r"""Task B: two centred Gaussians of different scale.

Per episode sigma_0, sigma_1 ~ Uniform(sigma_min, sigma_max), independent, and

    x | y ~ N(0, sigma_y^2 I),
    LLR(x) = D log(sigma_0 / sigma_1) + |x|^2 / 2 (1/sigma_0^2 - 1/sigma_1^2)   (nats).

The exact test is quadratic in x. Source: arXiv 2603.10573, task B (0.5 to 3.0).
"""

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from scipy.special import gammainc, gammainccinv, gammaln
from torch import Generator, Tensor

from icl_mlflow.episodes import Episodes
from icl_mlflow.settings import check, setting
from icl_mlflow.tasks.base import OracleConstants, Symmetry, Task
from icl_mlflow.tasks.integrals.variance_corrupted import corrupted_logit
from icl_mlflow.tasks.labels import KnownLabels

# Quadrature for M(m, q): nodes over each element's support, the support's edges in nats
# below the peak, and how finely they are found.
_EVIDENCE_NODES = 100
_NEGLIGIBLE = 40.0
_BISECTIONS = 24
#: Ratios of the sigmas whose distributions of the LLR are found together.
_RATIOS_AT_ONCE = 256


@dataclass(frozen=True)
class Variance(Task):
    """Task B: the sphere, wide or narrow, that the query comes from.

    Attributes:
        dim: dimension of x.
        sigma_min, sigma_max: range of both standard deviations.
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
    # No curriculum is needed: on soft targets training leaves the plateau at once.
    symmetries: ClassVar[frozenset[Symmetry]] = frozenset({"classes", "rotation"})
    sufficient: ClassVar[tuple[str, ...]] = ("n_1", "Q_0", "Q_1")

    def __post_init__(self) -> None:
        check(self)
        if self.sigma_min >= self.sigma_max:
            raise ValueError(
                f"sigma_min={self.sigma_min} must be below sigma_max={self.sigma_max}"
            )

    def draw_latents(self, n_episodes: int, rng: Generator) -> dict[str, Tensor]:
        """Both standard deviations, by label: ``sigma`` (B, 2)."""
        sigma_B2 = torch.rand((n_episodes, 2), generator=rng, device=rng.device)
        sigma_B2.mul_(self.sigma_max - self.sigma_min).add_(self.sigma_min)
        return {"sigma": sigma_B2}

    def draw_points(
        self, latents: Mapping[str, Tensor], y_BS: Tensor, rng: Generator
    ) -> Tensor:
        """Noise around the origin, of the deviation of its label: (B, S, D)."""
        shape = (*y_BS.shape, self.dim)
        x_BSD = torch.randn(shape, generator=rng, device=rng.device)
        return x_BSD.mul_(latents["sigma"].gather(1, y_BS).unsqueeze(-1))

    def log_likelihood(
        self, x_BSD: Tensor, y_BS: Tensor, latents: Mapping[str, Tensor]
    ) -> Tensor:
        """The log density of n_c points of class c around the origin: (B, M) float64.

        - D n_c log sigma_c - Q_c / 2 sigma_c^2, summed over both classes c, Q_c the sum
        of their squared norms; nats.
        """
        square_BS, y_BS = x_BSD.double().square().sum(-1), y_BS.double()
        weight_B2S = torch.stack([1 - y_BS, y_BS], dim=1)
        count_B2 = weight_B2S.sum(-1)
        total_B2 = (weight_B2S * square_BS.unsqueeze(1)).sum(-1)
        sigma_M2 = latents["sigma"].double()
        seen_B4 = torch.cat([-self.dim * count_B2, -total_B2 / 2], dim=1)
        return seen_B4 @ torch.cat([sigma_M2.log(), sigma_M2.pow(-2)], dim=1).T

    def oracle_llr(self, episodes: Episodes) -> Tensor:
        """D log(s0/s1) + |x_q|^2 / 2 (1/s0^2 - 1/s1^2): (B,) float64, nats."""
        sigma_0_B, sigma_1_B = episodes.latents["sigma"].double().unbind(-1)
        square_B = episodes.query_x_BD.double().square().sum(-1)
        precision_gap_B = sigma_0_B.pow(-2) - sigma_1_B.pow(-2)
        return self.dim * (sigma_0_B / sigma_1_B).log() + square_B / 2 * precision_gap_B

    def bayes_logit(self, episodes: Episodes) -> Tensor:
        r"""The exact log-odds of y_q = 1 with both sigmas integrated out: (B,) float64.

        With n_c context points of class c, Q_c the sum of their squared norms and
        M(m, Q) = integral of s^-m exp(-Q / 2 s^2) over the range of sigma,

            log M(D (n_1 + 1), Q_1 + |x_q|^2) - log M(D n_1, Q_1) - [same for class 0].
        """
        return self.bayes_logit_of(
            self.statistics(episodes), episodes.query_x_BD, episodes.n_context
        )

    def bayes_logit_of(
        self, statistics: Mapping[str, Tensor], query_x_BD: Tensor, n_context: int
    ) -> Tensor:
        """The same of n_1, Q_0 and Q_1: (B,) float64."""
        query_B1 = query_x_BD.double().square().sum(-1, keepdim=True)
        n_1_B1 = statistics["n_1"]
        m_B2 = self.dim * torch.cat([n_context - n_1_B1, n_1_B1], dim=1)
        q_B2 = torch.cat([statistics["Q_0"], statistics["Q_1"]], dim=1)
        # All at once: small batches cost by the call.
        m_2B2 = torch.stack([m_B2, m_B2 + self.dim])
        q_2B2 = torch.stack([q_B2, q_B2 + query_B1])
        before_B2, after_B2 = self.log_evidence(m_2B2, q_2B2).unbind(0)
        log_predictive_0_B, log_predictive_1_B = (after_B2 - before_B2).unbind(-1)
        return log_predictive_1_B - log_predictive_0_B

    def statistics(self, episodes: Episodes) -> dict[str, Tensor]:
        """n_1, the points of class 1, and Q_0 and Q_1, the classes' sums of squares."""
        square_BN = episodes.context_x_BND.double().square().sum(-1)
        label_BN = episodes.context_y_BN.double()
        weight_B2N = torch.stack([1 - label_BN, label_BN], dim=1)
        q_B2 = (weight_B2N * square_BN.unsqueeze(1)).sum(-1)
        return {
            "n_1": label_BN.sum(1, keepdim=True),
            "Q_0": q_B2[:, :1],
            "Q_1": q_B2[:, 1:],
        }

    def corrupted_bayes_logit(
        self, episodes: Episodes, known: KnownLabels, rng: Generator
    ) -> Tensor:
        """The log-odds of y_q = 1 when the context's labels are hidden: (B,) float64.

        By quadrature over both sigmas, see `variance_corrupted`.
        """
        del rng
        return corrupted_logit(self.sigma_min, self.sigma_max, episodes, known)

    def plug_in_logit(self, episodes: Episodes) -> Tensor:
        """The oracle's formula at the most probable sigmas: (B,) float64, nats.

        These are the root mean squares over a class's coordinates, clipped to their
        range. 0 where the context lacks a class.
        """
        known = self.statistics(episodes)
        count_B2 = torch.cat([episodes.n_context - known["n_1"], known["n_1"]], dim=1)
        total_B2 = torch.cat([known["Q_0"], known["Q_1"]], dim=1)
        variance_B2 = total_B2 / (self.dim * count_B2.clamp_min(1))
        sigma_B2 = variance_B2.sqrt().clamp(self.sigma_min, self.sigma_max)
        logit_B = self.oracle_llr(replace(episodes, latents={"sigma": sigma_B2}))
        return logit_B.where(count_B2.amin(1) > 0, 0.0)

    def log_evidence(self, m: Tensor, q: Tensor) -> Tensor:
        """Log of M(m, q) by Gauss-Legendre quadrature over log sigma, float64.

        The nodes of each element lie where its integrand is within e^-40 of its
        largest value: it may be as narrow as 1 / sqrt(2 m), or narrower at an end.
        """
        low, high = self._support(m, q)
        unit, weight = map(torch.from_numpy, _unit_legendre(_EVIDENCE_NODES))
        width = (high - low).unsqueeze(-1)
        log_sigma = low.unsqueeze(-1) + width * unit.to(m.device)
        exponent = _log_integrand(log_sigma, m.unsqueeze(-1), q.unsqueeze(-1))
        return (exponent + (weight.to(m.device) * width).log()).logsumexp(-1)

    def _support(self, m: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
        """The log sigmas between which the integrand of M(m, q) lies; log-concave."""
        low = torch.full_like(m, math.log(self.sigma_min))
        high = torch.full_like(m, math.log(self.sigma_max))
        falling = (m - 1).clamp(min=0)  # the integrand rises all the way if m <= 1
        peak = ((q / falling).log() / 2).nan_to_num(nan=math.inf)
        peak = torch.minimum(torch.maximum(peak, low), high)
        floor = _log_integrand(peak, m, q) - _NEGLIGIBLE

        outside = torch.stack([low, high])
        inside = peak.expand_as(outside)
        for _ in range(_BISECTIONS):
            middle = (inside + outside) / 2
            counts = _log_integrand(middle, m, q) >= floor
            inside = torch.where(counts, middle, inside)
            outside = torch.where(counts, outside, middle)
        return outside[0], outside[1]

    def log_evidence_closed_form(self, m: Tensor, q: Tensor) -> Tensor:
        """Log of M(m, q) by incomplete gamma functions, for m > 1 and q > 0, float64.

        M = 1/2 (2/q)^a Gamma(a) [P(a, q / 2 sigma_min^2) - P(a, q / 2 sigma_max^2)],
        a = (m - 1) / 2. It loses digits where both P are near 0 or near 1, which is why
        the quadrature is what ``bayes_logit`` uses.
        """
        a, half = (m.numpy() - 1) / 2, q.numpy() / 2
        inside = gammainc(a, half / self.sigma_min**2)
        inside = inside - gammainc(a, half / self.sigma_max**2)
        log_m = -math.log(2) - a * np.log(half) + gammaln(a) + np.log(inside)
        return torch.from_numpy(log_m)

    def llr_cdf(
        self, llr: np.ndarray, latents: Mapping[str, Tensor] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The distributions of the LLR under y = 0 and 1, to about 1e-12."""
        if latents is None:
            r, weight = _ratios(self.sigma_min, self.sigma_max)
            upwards, downwards = (r, weight / 2), (r, weight / 2)
        else:
            sigma_0, sigma_1 = latents["sigma"].double().numpy().T
            r = sigma_0 / sigma_1
            is_up, weight = r < 1, np.full(len(r), 1 / len(r))
            upwards = (r[is_up], weight[is_up])
            downwards = (1 / r[~is_up], weight[~is_up])
        under_0, under_1 = _given_order(self.dim, llr, *upwards)
        # With the sigmas exchanged, the LLR has the other sign and the other class.
        other_0, other_1 = _given_order(self.dim, -llr, *downwards)
        share = downwards[1].sum()
        return under_0 + share - other_1, under_1 + share - other_0

    def oracle(self) -> OracleConstants:
        """Accuracy and pooled AUC of the LLR, by quadrature over both sigmas."""
        return _oracle(self.dim, self.sigma_min, self.sigma_max)


def _log_integrand(log_sigma: Tensor, m: Tensor, q: Tensor) -> Tensor:
    """The log of the integrand of M(m, q) over log sigma: shapes that broadcast."""
    return (1 - m) * log_sigma - q / 2 * (-2 * log_sigma).exp()


def _legendre(n: int, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    nodes, weights = _unit_legendre(n)
    return low + (high - low) * nodes, (high - low) * weights


@functools.lru_cache(maxsize=32)
def _unit_legendre(n: int) -> tuple[np.ndarray, np.ndarray]:
    nodes, weights = np.polynomial.legendre.leggauss(n)
    return (nodes + 1) / 2, weights / 2


@functools.lru_cache(maxsize=32)
def _ratios(sigma_min: float, sigma_max: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes for sigma_0 / sigma_1 given that it is below 1, and their weights.

    Its density is (sigma_max^2 - sigma_min^2 / r^2) / (sigma_max - sigma_min)^2.
    """
    log_r, weight = _legendre(200, math.log(sigma_min / sigma_max), 0.0)
    r = np.exp(log_r)
    density = (sigma_max**2 - (sigma_min / r) ** 2) / (sigma_max - sigma_min) ** 2
    return r, weight * r * density


def _given_order(
    dim: int, llr: np.ndarray, r: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """P(LLR <= value) under y = 0 and 1, for weighed ratios r = sigma_0 / sigma_1 < 1.

    With z ~ chi^2_D, LLR - D log r is z (1 - r^2) / 2 under y = 0 and
    z (1 / r^2 - 1) / 2 under y = 1.
    """
    under_0, under_1 = np.zeros(llr.shape), np.zeros(llr.shape)
    for start in range(0, len(r), _RATIOS_AT_ONCE):
        part, share = (each[start : start + _RATIOS_AT_ONCE] for each in (r, weight))
        part = np.minimum(part, 1 - 1e-12)  # equal sigmas tell nothing: LLR = 0
        half_z = np.maximum(llr[..., None] - dim * np.log(part), 0.0)
        under_0 += gammainc(dim / 2, half_z / (1 - part**2)) @ share
        under_1 += gammainc(dim / 2, half_z / (part**-2.0 - 1)) @ share
    return under_0, under_1


@functools.lru_cache(maxsize=32)
def _oracle(dim: int, sigma_min: float, sigma_max: float) -> OracleConstants:
    """Exact constants; accuracy to about 1e-12, AUC to about 1e-6.

    By symmetry sigma_0 < sigma_1 may be assumed for the accuracy. Pooled over both
    orders, F_1(l) = 1 - F_0(-l), and AUC = integral of F_0 dF_1.
    """
    task = Variance(dim=dim, sigma_min=sigma_min, sigma_max=sigma_max)
    (right_0,), _ = task.llr_cdf(np.zeros(1))

    # The grid is dense at 0, where nearly equal sigmas pile up, and reaches as far as
    # the LLR does.
    longest = gammainccinv(dim / 2, 1e-12) * ((sigma_max / sigma_min) ** 2 - 1)
    half_grid = np.sinh(np.linspace(0.0, math.asinh(longest / 1e-3), 2000)) * 1e-3
    grid = np.concatenate([-half_grid[:0:-1], half_grid])
    pooled_0, pooled_1 = task.llr_cdf(grid)
    auc = float(((pooled_0[1:] + pooled_0[:-1]) / 2 * np.diff(pooled_1)).sum())
    return OracleConstants(accuracy=float(right_0), auc=auc)


DEFAULT = Variance()
