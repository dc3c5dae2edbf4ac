r"""Task A: two unit Gaussians around a random, shared shift.

Per episode mu ~ Uniform(unit sphere in R^D), k ~ N(0, tau^2 I), and

    x | y ~ N(k + (2y - 1) r mu, I),    LLR(x) = 2 r mu . (x - k)   (nats).

The exact test is linear in x; the shift k is the nuisance that the context must
reveal. Source: arXiv 2603.10573, task A (tau = 3; 9 out of distribution; 0 control),
where the separation r is 1.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from scipy.special import ndtr
from torch import Generator, Tensor
from torch.nn.functional import normalize

from icl_mlflow.episodes import Episodes
from icl_mlflow.settings import check, setting
from icl_mlflow.tasks.base import OracleConstants, Symmetry, Task
from icl_mlflow.tasks.integrals.bessel import log_bessel_over_power
from icl_mlflow.tasks.integrals.shifted_mean_corrupted import corrupted_logit
from icl_mlflow.tasks.labels import KnownLabels

#: Coordinates of points that are moved to their class at once, so that what is added to
#: long or many episodes takes no second copy of them.
_BLOCK = 1 << 22


@dataclass(frozen=True)
class ShiftedMean(Task):
    """Task A: the side of a shifted hyperplane on which the query lies.

    Attributes:
        dim: dimension of x.
        tau: standard deviation of every coordinate of the shift k.
        separation: r, half the distance between the two means.
    """

    dim: int = setting(16, "Dimension of x.", minimum=1)
    # Far beyond, float32 no longer resolves the unit noise around the shift.
    tau: float = setting(
        3.0, "Standard deviation of the shift.", minimum=0, maximum=1e5
    )
    separation: float = setting(
        1.0, "Half the distance between the two means.", minimum=0, maximum=1e3
    )

    shifts: ClassVar[Mapping[str, Mapping[str, float]]] = {
        "out_of_distribution": {"tau": 9.0},
        "no_nuisance": {"tau": 0.0},
    }
    sweeps: ClassVar[Mapping[str, tuple[float, ...]]] = {
        "tau": (0.0, 0.5, 1.0, 2.0, 3.0, 4.5, 6.0, 9.0, 15.0, 30.0)
    }
    curricula: ClassVar[Mapping[str, Mapping[str, float]]] = {
        "nuisance": {"tau": 0.0},
        "separation": {"separation": 3.0},
    }
    symmetries: ClassVar[frozenset[Symmetry]] = frozenset({"classes", "rotation"})
    sufficient: ClassVar[tuple[str, ...]] = ("sum_x", "sum_sx", "sum_s")

    def __post_init__(self) -> None:
        check(self)

    def draw_latents(self, n_episodes: int, rng: Generator) -> dict[str, Tensor]:
        """The direction ``mu`` (B, D) of length 1, and the ``shift`` (B, D)."""
        shape = (2, n_episodes, self.dim)
        mu_BD, shift_BD = torch.randn(shape, generator=rng, device=rng.device)
        mu_BD /= torch.linalg.vector_norm(mu_BD, dim=-1, keepdim=True)
        shift_BD *= self.tau
        return {"mu": mu_BD, "shift": shift_BD}

    def draw_points(
        self, latents: Mapping[str, Tensor], y_BS: Tensor, rng: Generator
    ) -> Tensor:
        """Unit noise around shift + (2y - 1) r mu: (B, S, D)."""
        mu_B1D, shift_B1D = (latents[name].unsqueeze(1) for name in ("mu", "shift"))
        shape = (*y_BS.shape, self.dim)
        x_BSD = torch.randn(shape, generator=rng, device=rng.device)
        n_rows = max(1, _BLOCK // x_BSD[0].numel())
        parts = (torch.split(each, n_rows) for each in (x_BSD, y_BS, mu_B1D, shift_B1D))
        for x, y, mu, shift in zip(*parts, strict=True):
            half_sign = (y - 0.5).unsqueeze(-1)
            x.add_(torch.addcmul(shift, half_sign, mu, value=2 * self.separation))
        return x_BSD

    def log_likelihood(
        self, x_BSD: Tensor, y_BS: Tensor, latents: Mapping[str, Tensor]
    ) -> Tensor:
        r"""The log density of points around k + s r mu: (B, M) float64, nats.

        With n points, signs s and T their sum, it is, but for |x|^2,

            k . sum x + r mu . sum s x - n (|k|^2 + r^2 |mu|^2) / 2 - r T k . mu.
        """
        x_BSD = x_BSD.double()
        sign_BS = 2.0 * y_BS.double() - 1.0
        k_MD = latents["shift"].double()
        mean_MD = self.separation * latents["mu"].double()
        sum_BD = x_BSD.sum(1)
        signed_sum_BD = torch.einsum("bs,bsd->bd", sign_BS, x_BSD)
        square_M = (k_MD.square() + mean_MD.square()).sum(-1)
        product_M = (k_MD * mean_MD).sum(-1)
        # One product of matrices: the M latents may be many.
        seen = [sum_BD, signed_sum_BD, -sign_BS.sum(1, keepdim=True)]
        known = [k_MD, mean_MD, product_M.unsqueeze(1)]
        return torch.cat(seen, 1) @ torch.cat(known, 1).T - y_BS.shape[1] / 2 * square_M

    def oracle_llr(self, episodes: Episodes) -> Tensor:
        """2 r mu . (x_q - k): (B,) float64, nats."""
        mu_BD = episodes.latents["mu"].double()
        return self._llr(episodes, mu_BD, episodes.latents["shift"].double())

    def bayes_logit(self, episodes: Episodes) -> Tensor:
        r"""The exact log-odds of y_q = 1 with mu and k integrated out: (B,) float64.

        With the query as the last of n + 1 points X and a supposed sign s_q for it,
        Sigma = I + tau^2 1 1^T, c = tau^2 / (1 + (n + 1) tau^2) and
        kappa = r |X^T Sigma^-1 s|, the log marginal likelihood is, up to a constant,

            m(s_q) = log I_nu(kappa) - nu log kappa + c r^2 (sum s)^2 / 2,
            nu = D/2 - 1,

        and the log-odds are m(+1) - m(-1).
        """
        return self.bayes_logit_of(
            self._sums(episodes), episodes.query_x_BD, episodes.n_context
        )

    def bayes_logit_of(
        self, statistics: Mapping[str, Tensor], query_x_BD: Tensor, n_context: int
    ) -> Tensor:
        """The same of the sums of x, of s x and of s over a context: (B,) float64."""
        query_x_BD = query_x_BD.double()
        n_points = n_context + 1
        c = self.tau**2 / (1 + n_points * self.tau**2)
        sum_BD = statistics["sum_x"] + query_x_BD

        def log_marginal(query_sign: float) -> Tensor:
            total_B = statistics["sum_s"][:, 0] + query_sign
            direction_BD = statistics["sum_sx"] + query_sign * query_x_BD
            direction_BD = direction_BD - c * total_B.unsqueeze(-1) * sum_BD
            kappa_B = self.separation * direction_BD.norm(dim=-1)
            offset_B = c * (self.separation * total_B).square() / 2
            return log_bessel_over_power(self.dim / 2 - 1, kappa_B) + offset_B

        return log_marginal(+1.0) - log_marginal(-1.0)

    def statistics(self, episodes: Episodes) -> dict[str, Tensor]:
        """The sums of x, of s x and of s; v, along the most probable mu, and kappa.

        v = sum s x - c (sum s) (sum x) with c = tau^2 / (1 + n tau^2), and
        kappa = r |v| says how sure its direction is.
        """
        found = self._sums(episodes)
        c = self.tau**2 / (1 + episodes.n_context * self.tau**2)
        v_BD = found["sum_sx"] - c * found["sum_s"] * found["sum_x"]
        kappa_B1 = self.separation * v_BD.norm(dim=-1, keepdim=True)
        return {**found, "v": v_BD, "kappa": kappa_B1}

    def _sums(self, episodes: Episodes) -> dict[str, Tensor]:
        context_x_BND = episodes.context_x_BND.double()
        sign_BN = 2.0 * episodes.context_y_BN.double() - 1.0
        return {
            "sum_x": context_x_BND.sum(1),
            "sum_sx": torch.einsum("bn,bnd->bd", sign_BN, context_x_BND),
            "sum_s": sign_BN.sum(1, keepdim=True),
        }

    def corrupted_bayes_logit(
        self, episodes: Episodes, known: KnownLabels, rng: Generator
    ) -> Tensor:
        """The log-odds of y_q = 1 when the context's labels are hidden: (B,) float64.

        By importance sampling over mu, see `shifted_mean_corrupted`.
        """
        return corrupted_logit(self.tau, self.separation, episodes, known, rng)

    def plug_in_logit(self, episodes: Episodes) -> Tensor:
        """2 r mu . (x_q - k) at the most probable mu and k: (B,) float64, nats.

        With c = tau^2 / (1 + n tau^2), these are mu = v / |v| for
        v = sum s x - c (sum s) (sum x), and k = c (sum x - r (sum s) mu).
        """
        known = self.statistics(episodes)
        c = self.tau**2 / (1 + episodes.n_context * self.tau**2)
        mu_BD = normalize(known["v"], dim=-1)
        shift_BD = c * (known["sum_x"] - self.separation * known["sum_s"] * mu_BD)
        return self._llr(episodes, mu_BD, shift_BD)

    def llr_cdf(
        self, llr: np.ndarray, latents: Mapping[str, Tensor] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The normal distributions of the LLR under y = 0 and 1, whatever mu and k."""
        del latents
        r = self.separation
        if not r:
            return (llr >= 0).astype(float), (llr >= 0).astype(float)
        return ndtr(llr / (2 * r) + r), ndtr(llr / (2 * r) - r)

    def oracle(self) -> OracleConstants:
        """Phi(r) and Phi(sqrt 2 r): LLR | y ~ N(+-2 r^2, 4 r^2) for every dim, tau."""
        r = self.separation
        return OracleConstants(
            accuracy=float(ndtr(r)), auc=float(ndtr(math.sqrt(2) * r))
        )

    def _llr(self, episodes: Episodes, mu_BD: Tensor, shift_BD: Tensor) -> Tensor:
        centred_BD = episodes.query_x_BD.double() - shift_BD
        return 2 * self.separation * (mu_BD * centred_BD).sum(-1)


DEFAULT = ShiftedMean()
