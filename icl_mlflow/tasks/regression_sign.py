r"""Task F: a linear regression whose sign is the class.

x = (u, t) with u ~ N(0, I_p), p = D - 1. Per episode w ~ N(0, alpha I_p), with
alpha = slope^2 / p, so that ``slope`` is the root mean square of |w|, and

    t | u, y ~ N(s w . u, sigma^2),  s = 2y - 1,    LLR(x) = 2 t (w . u) / sigma^2

(nats). Neither u nor t tells anything alone: exact Bayes is ridge regression of s t
on u. A threshold on labels, y = 1 where w . x + noise > 0, would have no exact Bayes
predictor at this length.
"""

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from scipy.special import gammainccinv, gammaincinv, gammaln
from torch import Generator, Tensor

from icl_mlflow.episodes import Episodes
from icl_mlflow.settings import check, setting
from icl_mlflow.tasks.base import OracleConstants, Symmetry, Task
from icl_mlflow.tasks.integrals.inversion import chance_positive, logarithmic
from icl_mlflow.tasks.integrals.quadrature import unit_legendre


@dataclass(frozen=True)
class RegressionSign(Task):
    """Task F: whether the query's last coordinate follows the others, or opposes them.

    Attributes:
        dim: dimension of x, u and t together.
        slope: root mean square of |w|.
        sigma: standard deviation of t about its regression.
    """

    dim: int = setting(16, "Dimension of x.", minimum=2)
    slope: float = setting(
        1.0, "Root mean square length of the slope.", minimum=0.01, maximum=100
    )
    sigma: float = setting(
        0.5, "Standard deviation about the regression.", minimum=0.01, maximum=100
    )

    shifts: ClassVar[Mapping[str, Mapping[str, float]]] = {
        "more_noise": {"sigma": 1.0},
        "less_noise": {"sigma": 0.25},
    }
    sweeps: ClassVar[Mapping[str, tuple[float, ...]]] = {
        "sigma": (0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0),
        "slope": (0.25, 0.5, 1.0, 2.0, 4.0),
    }
    curricula: ClassVar[Mapping[str, Mapping[str, float]]] = {"noise": {"sigma": 0.2}}
    symmetries: ClassVar[frozenset[Symmetry]] = frozenset({"classes"})

    def __post_init__(self) -> None:
        check(self)

    def draw_latents(self, n_episodes: int, rng: Generator) -> dict[str, Tensor]:
        """The slope of the regression where y = 1: ``w`` (B, D - 1)."""
        shape = (n_episodes, self.dim - 1)
        w_BP = torch.randn(shape, generator=rng, device=rng.device)
        return {"w": w_BP.mul_(self.slope / math.sqrt(self.dim - 1))}

    def draw_points(
        self, latents: Mapping[str, Tensor], y_BS: Tensor, rng: Generator
    ) -> Tensor:
        """Unit noise u, and t = s w . u + sigma noise, last: (B, S, D)."""
        shape = (*y_BS.shape, self.dim)
        x_BSD = torch.randn(shape, generator=rng, device=rng.device)
        mean_BS1 = torch.matmul(x_BSD[..., :-1], latents["w"].unsqueeze(-1))
        last_BS = x_BSD[..., -1]
        last_BS.mul_(self.sigma).addcmul_(mean_BS1[..., 0], 2.0 * y_BS - 1.0)
        return x_BSD

    def log_likelihood(
        self, x_BSD: Tensor, y_BS: Tensor, latents: Mapping[str, Tensor]
    ) -> Tensor:
        """The log density of points given w: (B, M) float64, nats.

        It is sum (s t w . u - (w . u)^2 / 2) / sigma^2, but for u and t themselves.
        """
        x_BSD, w_MP = x_BSD.double(), latents["w"].double()
        u_BSP, sign_BS = x_BSD[..., :-1], 2.0 * y_BS.double() - 1.0
        moment_BP = torch.einsum("bs,bsp->bp", sign_BS * x_BSD[..., -1], u_BSP)
        gram_BA = (u_BSP.transpose(1, 2) @ u_BSP).flatten(1)
        square_MA = (w_MP.unsqueeze(2) * w_MP.unsqueeze(1)).flatten(1)
        # Two products of matrices: the M latents may be many.
        return (moment_BP @ w_MP.T - gram_BA @ square_MA.T / 2) / self.sigma**2

    def oracle_llr(self, episodes: Episodes) -> Tensor:
        """2 t w . u / sigma^2 of the query: (B,) float64, nats."""
        return self._llr(episodes, episodes.latents["w"].double())

    def bayes_logit(self, episodes: Episodes) -> Tensor:
        """The exact log-odds of y_q = 1 with w integrated out: (B,) float64.

        With G = U^T U + (sigma^2 / alpha) I and w_hat = G^-1 U^T (s t) of the context,
        t of the query is normal about s_q u . w_hat with variance
        v = sigma^2 (1 + u^T G^-1 u), and the log-odds are 2 t (u . w_hat) / v.
        """
        w_BP, spread_BP = self._ridge(episodes)
        query_u_BP = episodes.query_x_BD[:, :-1].double()
        growth_B = 1 + (query_u_BP * spread_BP).sum(-1)
        return self._llr(episodes, w_BP) / growth_B

    def plug_in_logit(self, episodes: Episodes) -> Tensor:
        """2 t w . u / sigma^2 at the most probable w, ridge's: (B,) float64, nats."""
        return self._llr(episodes, self._ridge(episodes)[0])

    def oracle(self) -> OracleConstants:
        """Accuracy and pooled AUC of the LLR, by quadrature over |w|."""
        return _oracle(self.dim - 1, self.slope / self.sigma)

    def _ridge(self, episodes: Episodes) -> tuple[Tensor, Tensor]:
        """w_hat, and G^-1 u of the query: (B, p) float64 each."""
        p = self.dim - 1
        x_BND = episodes.context_x_BND.double()
        sign_BN = 2.0 * episodes.context_y_BN.double() - 1.0
        u_BNP, target_BN = x_BND[..., :p], sign_BN * x_BND[..., p]
        penalty_P = x_BND.new_full((p,), p * (self.sigma / self.slope) ** 2)
        gram_BPP = u_BNP.transpose(1, 2) @ u_BNP + penalty_P.diag()
        moment_BP = torch.einsum("bn,bnp->bp", target_BN, u_BNP)
        query_u_BP = episodes.query_x_BD[:, :p].double()
        both_BP2 = torch.stack([moment_BP, query_u_BP], dim=-1)
        factor_BPP: Tensor = torch.linalg.cholesky(gram_BPP)
        w_BP, spread_BP = torch.cholesky_solve(both_BP2, factor_BPP).unbind(-1)
        return w_BP, spread_BP

    def _llr(self, episodes: Episodes, w_BP: Tensor) -> Tensor:
        query_x_BD = episodes.query_x_BD.double()
        mean_B = (w_BP * query_x_BD[:, :-1]).sum(-1)
        return 2 * query_x_BD[:, -1] * mean_B / self.sigma**2


@functools.lru_cache(maxsize=32)
def _oracle(p: int, ratio: float) -> OracleConstants:
    """Exact constants, to about 1e-10.

    With z normal and R = ratio sqrt(chi^2_p / p), which is |w| / sigma, w . u is
    sigma R z, and LLR | y = 1 ~ N(2 R^2 z^2, 4 R^2 z^2); -LLR | y = 0 the same. So
    accuracy is E Phi(|R z|) = E[1/2 + atan(R) / pi].
    """
    # All but 1e-18 of chi^2 at either end, in its logarithm.
    low, high = (
        math.log(2 * inverse(p / 2, 1e-18)) for inverse in (gammaincinv, gammainccinv)
    )
    unit, weight = unit_legendre(400)
    log_square = low + (high - low) * unit
    square = np.exp(log_square)
    log_density = p / 2 * (log_square - math.log(2)) - square / 2 - gammaln(p / 2)
    weight = (high - low) * weight * np.exp(log_density)
    radius = ratio * np.sqrt(square / p)

    def two_answers(t: np.ndarray) -> np.ndarray:
        one = 1 + 4 * radius[:, None] ** 2 * (t**2 - 1j * t)
        found: np.ndarray = weight @ one**-0.5
        return found**2

    return OracleConstants(
        accuracy=float(weight @ (0.5 + np.arctan(radius) / math.pi)),
        auc=chance_positive(two_answers, logarithmic()),
    )


DEFAULT = RegressionSign()
