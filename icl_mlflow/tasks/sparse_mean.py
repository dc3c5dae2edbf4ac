r"""Task E: task A, where the means differ in a few coordinates alone.

mu is uniform over the vectors that have k entries of -1/sqrt k or 1/sqrt k, and 0
elsewhere; all else is as in task A, the oracle too: |mu| = 1. Whoever estimates mu
without looking for the coordinates that matter, as is right on task A, pays for it:
the best test thresholds.
"""

import functools
import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Generator, Tensor

from icl_mlflow.episodes import Episodes
from icl_mlflow.settings import check, setting
from icl_mlflow.tasks.base import NotKnownError, OracleConstants, Symmetry, Task
from icl_mlflow.tasks.integrals.shifted_mean_corrupted import logit_of_directions
from icl_mlflow.tasks.integrals.symmetric import log_elementary_symmetric
from icl_mlflow.tasks.integrals.two_means import TwoMeans
from icl_mlflow.tasks.labels import KnownLabels

#: Directions, opposite ones counted once, that are all tried where labels are hidden.
_MOST_DIRECTIONS = 5_000


@dataclass(frozen=True)
class SparseMean(Task):
    """Task E: the side of a shifted hyperplane that leans on a few coordinates.

    Attributes:
        dim: dimension of x.
        nonzero: k, in how many coordinates the means differ.
        tau: standard deviation of every coordinate of the shift.
        separation: r, half the distance between the two means.
    """

    dim: int = setting(16, "Dimension of x.", minimum=1)
    nonzero: int = setting(2, "Coordinates in which the means differ.", minimum=1)
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
        "one_coordinate": {"nonzero": 1},
    }
    sweeps: ClassVar[Mapping[str, tuple[float, ...]]] = {
        "nonzero": (1, 2, 3, 4, 8, 16),
        "tau": (0.0, 0.5, 1.0, 2.0, 3.0, 4.5, 6.0, 9.0, 15.0, 30.0),
    }
    curricula: ClassVar[Mapping[str, Mapping[str, float]]] = {
        "nuisance": {"tau": 0.0},
        "separation": {"separation": 3.0},
    }
    symmetries: ClassVar[frozenset[Symmetry]] = frozenset({"classes"})
    sufficient: ClassVar[tuple[str, ...]] = ("sum_x", "v", "sum_s")

    def __post_init__(self) -> None:
        check(self)
        if self.nonzero > self.dim:
            raise ValueError(
                f"nonzero={self.nonzero} must be at most dim={self.dim}: the means "
                "cannot differ in more coordinates than there are"
            )

    def draw_latents(self, n_episodes: int, rng: Generator) -> dict[str, Tensor]:
        """The direction ``mu`` (B, D) of length 1, and the ``shift`` (B, D)."""
        shape = (n_episodes, self.dim)
        place_BD = torch.rand(shape, generator=rng, device=rng.device)
        chosen_BK = place_BD.topk(self.nonzero, dim=1, sorted=False)[1]
        sign_BK = torch.randint(2, chosen_BK.shape, generator=rng, device=rng.device)
        entry_BK = (2.0 * sign_BK - 1.0) / math.sqrt(self.nonzero)
        mu_BD = torch.zeros_like(place_BD).scatter_(1, chosen_BK, entry_BK)
        shift_BD = torch.randn(shape, generator=rng, device=rng.device)
        return {"mu": mu_BD, "shift": shift_BD.mul_(self.tau)}

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
        r"""The exact log-odds of y_q = 1 with both latents summed out: (B,) float64.

        As task A's, see `two_means`, with

            log E exp(r v . mu) = log e_k(cosh(r v_1/sqrt k), ..., cosh(r v_D/sqrt k))

        up to a constant, e_k being the elementary symmetric polynomial.
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

    @property
    def knows_corrupted_labels(self) -> bool:
        """Whether there are few enough mu to sum over."""
        return _count(self.dim, self.nonzero) <= _MOST_DIRECTIONS

    def corrupted_bayes_logit(
        self, episodes: Episodes, known: KnownLabels, rng: Generator
    ) -> Tensor:
        """The log-odds of y_q = 1 when the context's labels are hidden: (B,) float64.

        By a sum over all mu.

        Raises:
            NotKnownError: there are too many of them.
        """
        del rng
        unit_PD = _directions(self.dim, self.nonzero)
        return logit_of_directions(self.tau, self.separation, unit_PD, episodes, known)

    def plug_in_logit(self, episodes: Episodes) -> Tensor:
        """2 r mu . (x_q - k) at the most probable mu and k: (B,) float64, nats.

        mu has the signs of v where |v| is among the k largest: a hard threshold.
        """
        return self._two_means.plug_in(episodes, self._most_probable)

    def llr_cdf(
        self, llr: np.ndarray, latents: Mapping[str, Tensor] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The normal distributions of the LLR under y = 0 and 1, whatever mu and k."""
        del latents
        return self._two_means.llr_cdf(llr)

    def oracle(self) -> OracleConstants:
        """Phi(r) and Phi(sqrt 2 r), as on task A, whatever dim, k and tau are."""
        return self._two_means.oracle()

    @property
    def _two_means(self) -> TwoMeans:
        return TwoMeans(self.tau, self.separation)

    def _log_mean(self, v_BD: Tensor) -> Tensor:
        size_BD = v_BD.abs() / math.sqrt(self.nonzero)
        log_two_cosh_BD = size_BD + (-2 * size_BD).exp().log1p()
        return log_elementary_symmetric(log_two_cosh_BD, self.nonzero)

    def _most_probable(self, v_BD: Tensor) -> Tensor:
        chosen_BK = v_BD.abs().topk(self.nonzero, dim=1)[1]
        entry_BK = v_BD.gather(1, chosen_BK).sign() / math.sqrt(self.nonzero)
        return torch.zeros_like(v_BD).scatter_(1, chosen_BK, entry_BK)


def _count(dim: int, nonzero: int) -> int:
    """How many mu there are, opposite ones counted once."""
    return math.comb(dim, nonzero) << (nonzero - 1)


@functools.lru_cache(maxsize=8)
def _directions(dim: int, nonzero: int) -> Tensor:
    """Every mu, of two opposite ones only the first: (P, D) float64."""
    count = _count(dim, nonzero)
    if count > _MOST_DIRECTIONS:
        raise NotKnownError(
            f"SparseMean has no corrupted_bayes_logit for nonzero={nonzero} of "
            f"dim={dim}: {count} directions are more than {_MOST_DIRECTIONS}"
        )
    rows = []
    for places in itertools.combinations(range(dim), nonzero):
        for signs in itertools.product((1.0, -1.0), repeat=nonzero - 1):
            row = np.zeros(dim)
            row[list(places)] = [1.0, *signs]
            rows.append(row)
    return torch.from_numpy(np.stack(rows)) / math.sqrt(nonzero)


DEFAULT = SparseMean()
