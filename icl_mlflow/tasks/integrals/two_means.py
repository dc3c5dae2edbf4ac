r"""Two unit Gaussians around a shared shift, whatever the prior of their direction.

x | y ~ N(k + s r mu, I) with s = 2y - 1 and k ~ N(0, tau^2 I). With the query as the
last of N = n + 1 points X and a supposed sign s_q for it, Sigma = I + tau^2 1 1^T,
c = tau^2 / (1 + N tau^2) and v = X^T Sigma^-1 s = sum s x - c (sum s) (sum x), the log
marginal likelihood is, up to a constant that s_q does not change,

    m(s_q) = log E exp(r v . mu) + c r^2 (sum s)^2 / 2,

where |mu| = 1 and the mean is over mu's prior; the log-odds are m(+1) - m(-1).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import ndtr
from torch import Generator, Tensor

from icl_mlflow.episodes import Episodes
from icl_mlflow.tasks.base import OracleConstants

#: Vectors (B, D) to the log of E exp(vector . mu), up to a constant: (B,).
LogMean = Callable[[Tensor], Tensor]

#: Coordinates of points that are moved to their class at once, so that what is added to
#: long or many episodes takes no second copy of them.
_BLOCK = 1 << 22


@dataclass(frozen=True)
class TwoMeans:
    """What the tasks with two shifted means share.

    Attributes:
        tau: standard deviation of every coordinate of the shift k.
        separation: r, half the distance between the two means.
    """

    tau: float
    separation: float

    def draw_points(
        self, latents: Mapping[str, Tensor], y_BS: Tensor, rng: Generator
    ) -> Tensor:
        """Unit noise around shift + (2y - 1) r mu: (B, S, D)."""
        mu_B1D, shift_B1D = (latents[name].unsqueeze(1) for name in ("mu", "shift"))
        shape = (*y_BS.shape, mu_B1D.shape[-1])
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

    def llr(self, episodes: Episodes, mu_BD: Tensor, shift_BD: Tensor) -> Tensor:
        """2 r mu . (x_q - k): (B,) float64, nats."""
        centred_BD = episodes.query_x_BD.double() - shift_BD.double()
        return 2 * self.separation * (mu_BD.double() * centred_BD).sum(-1)

    def statistics(self, episodes: Episodes) -> dict[str, Tensor]:
        """The sums of x, of s x and of s; v, along the most probable mu, and kappa.

        v is that of the context alone, and kappa = r |v| says how sure its direction
        is.
        """
        found = self.sums(episodes)
        c = self.tau**2 / (1 + episodes.n_context * self.tau**2)
        v_BD = found["sum_sx"] - c * found["sum_s"] * found["sum_x"]
        kappa_B1 = self.separation * v_BD.norm(dim=-1, keepdim=True)
        return {**found, "v": v_BD, "kappa": kappa_B1}

    def sums(self, episodes: Episodes) -> dict[str, Tensor]:
        """The sums of x and of s x (B, D), and of s (B, 1), of a context: float64."""
        context_x_BND = episodes.context_x_BND.double()
        sign_BN = 2.0 * episodes.context_y_BN.double() - 1.0
        return {
            "sum_x": context_x_BND.sum(1),
            "sum_sx": torch.einsum("bn,bnd->bd", sign_BN, context_x_BND),
            "sum_s": sign_BN.sum(1, keepdim=True),
        }

    def logit_of(
        self,
        statistics: Mapping[str, Tensor],
        query_x_BD: Tensor,
        n_context: int,
        log_mean: LogMean,
    ) -> Tensor:
        """The same as `logit`, given v in the place of the sum of s x.

        Of all `statistics` these three can be moved one at a time: a shift of all
        points moves the sum of x, and v by little.
        """
        c = self.tau**2 / (1 + n_context * self.tau**2)
        product_BD = statistics["sum_s"] * statistics["sum_x"]
        sums = {**statistics, "sum_sx": statistics["v"] + c * product_BD}
        return self.logit(sums, query_x_BD, n_context, log_mean)

    def logit(
        self,
        sums: Mapping[str, Tensor],
        query_x_BD: Tensor,
        n_context: int,
        log_mean: LogMean,
    ) -> Tensor:
        """m(+1) - m(-1), exact, given the `sums` of a context: (B,) float64, nats."""
        query_x_BD = query_x_BD.double()
        c = self.tau**2 / (1 + (n_context + 1) * self.tau**2)
        sum_BD = sums["sum_x"] + query_x_BD

        def log_marginal(query_sign: float) -> Tensor:
            total_B = sums["sum_s"][:, 0] + query_sign
            direction_BD = sums["sum_sx"] + query_sign * query_x_BD
            direction_BD = direction_BD - c * total_B.unsqueeze(-1) * sum_BD
            offset_B = c * (self.separation * total_B).square() / 2
            return log_mean(self.separation * direction_BD) + offset_B

        return log_marginal(+1.0) - log_marginal(-1.0)

    def plug_in(
        self, episodes: Episodes, most_probable: Callable[[Tensor], Tensor]
    ) -> Tensor:
        """2 r mu . (x_q - k) at the most probable mu and k: (B,) float64, nats.

        With c = tau^2 / (1 + n tau^2), k = c (sum x - r (sum s) mu).

        Args:
            episodes: of which the context is looked at for mu and k.
            most_probable: from v of the context (B, D) to mu (B, D); 0 where v is.
        """
        known = self.statistics(episodes)
        c = self.tau**2 / (1 + episodes.n_context * self.tau**2)
        mu_BD = most_probable(known["v"])
        shift_BD = c * (known["sum_x"] - self.separation * known["sum_s"] * mu_BD)
        return self.llr(episodes, mu_BD, shift_BD)

    def llr_cdf(self, llr: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The normal distributions of the LLR under y = 0 and 1, whatever mu and k."""
        r = self.separation
        if not r:
            return (llr >= 0).astype(float), (llr >= 0).astype(float)
        return ndtr(llr / (2 * r) + r), ndtr(llr / (2 * r) - r)

    def oracle(self) -> OracleConstants:
        """Phi(r) and Phi(sqrt 2 r): LLR | y ~ N(+-2 r^2, 4 r^2)."""
        r = self.separation
        return OracleConstants(
            accuracy=float(ndtr(r)), auc=float(ndtr(math.sqrt(2) * r))
        )
