r"""Task A: two unit Gaussians around a random, shared shift.

Per episode mu ~ Uniform(unit sphere in R^D), k ~ N(0, tau^2 I), and

    x | y ~ N(k + (2y - 1) r mu, I),    LLR(x) = 2 r mu . (x - k)   (nats).

The exact test is linear in x; the shift k is the nuisance that the context must
reveal. Source: arXiv 2603.10573, task A (tau = 3; 9 out of distribution; 0 control),
where the separation r is 1.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn.functional import normalize

from icl_mlflow.episodes import Episodes
from icl_mlflow.settings import check, setting
from icl_mlflow.tasks.base import OracleConstants, Symmetry, Task
from icl_mlflow.tasks.integrals.bessel import log_bessel_over_power
from icl_mlflow.tasks.integrals.shifted_mean_corrupted import corrupted_logit
from icl_mlflow.tasks.integrals.two_means import TwoMeans
from icl_mlflow.tasks.labels import KnownLabels


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
    sufficient: ClassVar[tuple[str, ...]] = ("sum_x", "v", "sum_s")

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
        return self._two_means.draw_points(latents, y_BS, rng)

    def log_likelihood(
        self, x_BSD: Tensor, y_BS: Tensor, latents: Mapping[str, Tensor]
    ) -> Tensor:
        """The log density of points around k + s r mu: (B, M) float64, nats."""
        return self._two_means.log_likelihood(x_BSD, y_BS, latents)

    def oracle_llr(self, episodes: Episodes) -> Tensor:
        """2 r mu . (x_q - k): (B,) float64, nats."""
        latents = episodes.latents
        return self._two_means.llr(episodes, latents["mu"], latents["shift"])

    def bayes_logit(self, episodes: Episodes) -> Tensor:
        r"""The exact log-odds of y_q = 1 with mu and k integrated out: (B,) float64.

        See `two_means`; with kappa = r |v| and nu = D/2 - 1, up to a constant,

            log E exp(r v . mu) = log I_nu(kappa) - nu log kappa.
        """
        return self._two_means.logit(
            self._two_means.sums(episodes),
            episodes.query_x_BD,
            episodes.n_context,
            self._log_mean,
        )

    def bayes_logit_of(
        self, statistics: Mapping[str, Tensor], query_x_BD: Tensor, n_context: int
    ) -> Tensor:
        """The same of the sums of x and of s over a context, and of v: (B,) float64."""
        return self._two_means.logit_of(
            statistics, query_x_BD, n_context, self._log_mean
        )

    def statistics(self, episodes: Episodes) -> dict[str, Tensor]:
        """The sums of x, of s x and of s; v, along the most probable mu, and kappa."""
        return self._two_means.statistics(episodes)

    def corrupted_bayes_logit(
        self, episodes: Episodes, known: KnownLabels, rng: Generator
    ) -> Tensor:
        """The log-odds of y_q = 1 when the context's labels are hidden: (B,) float64.

        By importance sampling over mu, see `shifted_mean_corrupted`.
        """
        return corrupted_logit(self.tau, self.separation, episodes, known, rng)

    def plug_in_logit(self, episodes: Episodes) -> Tensor:
        """2 r mu . (x_q - k) at the most probable mu = v / |v| and k: (B,), nats."""
        return self._two_means.plug_in(episodes, functools.partial(normalize, dim=-1))

    def llr_cdf(
        self, llr: np.ndarray, latents: Mapping[str, Tensor] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The normal distributions of the LLR under y = 0 and 1, whatever mu and k."""
        del latents
        return self._two_means.llr_cdf(llr)

    def oracle(self) -> OracleConstants:
        """Phi(r) and Phi(sqrt 2 r): LLR | y ~ N(+-2 r^2, 4 r^2) for every dim, tau."""
        return self._two_means.oracle()

    @property
    def _two_means(self) -> TwoMeans:
        return TwoMeans(self.tau, self.separation)

    def _log_mean(self, v_BD: Tensor) -> Tensor:
        return log_bessel_over_power(self.dim / 2 - 1, v_BD.norm(dim=-1))


DEFAULT = ShiftedMean()
