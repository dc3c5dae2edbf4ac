r"""A finite pool of tasks: M latents drawn once, of which every episode has one.

The exact Bayes predictor under the pool weighs its members by the likelihood of the
context, each as likely as the others beforehand:

    logit = log sum_m p(context | m) p(x_q | y_q = 1, m)
          - log sum_m p(context | m) p(x_q | y_q = 0, m).

Sources: arXiv 2306.15063, where a model that is trained on few tasks remembers them,
and arXiv 2506.17859.

Shape suffixes: M = members of the pool; others as always.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn.functional import softplus

from icl_mlflow.episodes import Episodes
from icl_mlflow.streams import generator
from icl_mlflow.tasks.base import OracleConstants, Symmetry, Task
from icl_mlflow.tasks.labels import KnownLabels, count_probabilities
from icl_mlflow.tasks.wrappers.oracle import llr_cdf, oracle_constants
from icl_mlflow.tasks.wrappers.wrapping import Wrapping

#: Numbers of one intermediate result: what fits a cache.
_ELEMENTS = 1 << 20


@dataclass(frozen=True)
class FinitePool(Task):
    """A task whose latents are one of a few that were drawn once.

    Attributes:
        base: the task that the members are drawn from.
        pool: how many they are.
        pool_seed: of the draw.
    """

    base: Task
    pool: int
    pool_seed: int

    @property
    def dim(self) -> int:
        """Dimension of x."""
        return self.base.dim

    @property
    def core(self) -> Task:
        """The task without wrappers."""
        return self.base.core

    @property
    def wrapping(self) -> Wrapping:
        """The wrappers around that task."""
        return replace(self.base.wrapping, pool=self.pool, pool_seed=self.pool_seed)

    @property
    def shifts(self) -> Mapping[str, Mapping[str, float]]:
        """Those of the task, the members moving along, and the task without a pool."""
        return {**self.base.shifts, "out_of_pool": {"pool": 0}}

    @property
    def sweeps(self) -> Mapping[str, tuple[float, ...]]:
        """Those of the task, the members moving along."""
        return self.base.sweeps

    @property
    def curricula(self) -> Mapping[str, Mapping[str, float]]:
        """Those of the task, the members moving along."""
        return self.base.curricula

    @property
    def symmetries(self) -> frozenset[Symmetry]:
        """None: a few latents have none."""
        return frozenset()

    @property
    def members(self) -> Mapping[str, Tensor]:
        """The latents of the pool, on the CPU; first axis M."""
        return _members(self.base, self.pool, self.pool_seed)

    def draw_latents(self, n_episodes: int, rng: Generator) -> dict[str, Tensor]:
        """Those of one member an episode, any as likely as the others."""
        chosen_B = torch.randint(
            self.pool, (n_episodes,), generator=rng, device=rng.device
        )
        members = self._members_on(rng.device)
        return {name: value[chosen_B] for name, value in members.items()}

    def draw_points(
        self, latents: Mapping[str, Tensor], y_BS: Tensor, rng: Generator
    ) -> Tensor:
        """A point for every label, as the task draws it: (B, S, D) float32."""
        return self.base.draw_points(latents, y_BS, rng)

    def log_likelihood(
        self, x_BSD: Tensor, y_BS: Tensor, latents: Mapping[str, Tensor]
    ) -> Tensor:
        """That of the task: (B, M) float64, nats."""
        return self.base.log_likelihood(x_BSD, y_BS, latents)

    def oracle_llr(self, episodes: Episodes) -> Tensor:
        """That of the task: (B,) float64, nats."""
        return self.base.oracle_llr(episodes)

    def bayes_logit(self, episodes: Episodes) -> Tensor:
        """The exact log-odds of y_q = 1, summed over the pool: (B,) float64, nats."""
        members = self._members_on(episodes.query_x_BD.device)

        def of(part: Episodes) -> Tensor:
            context_BM = self.base.log_likelihood(
                part.context_x_BND, part.context_y_BN, members
            )
            return self._weighed(context_BM, part, members)

        return self._in_parts(of, episodes, self.pool)

    def corrupted_bayes_logit(
        self, episodes: Episodes, known: KnownLabels, rng: Generator
    ) -> Tensor:
        """The log-odds of y_q = 1 when the context's labels are hidden: (B,) float64.

        Given a member, labels are independent: the sum over all labellings is a
        product, times the probability of the number of ones where that is known.
        """
        del rng
        members = self._members_on(episodes.query_x_BD.device)

        def of(part: Episodes, known: KnownLabels) -> Tensor:
            x_A1D = part.context_x_BND.flatten(0, 1).unsqueeze(1)
            shape = (*part.context_y_BN.shape, self.pool)
            zero_A1 = torch.zeros_like(part.context_y_BN).view(-1, 1)
            zero_BNM, one_BNM = (
                self.base.log_likelihood(x_A1D, y_A1, members).view(shape)
                for y_A1 in (zero_A1, zero_A1 + 1)
            )
            odds_BNM = one_BNM - zero_BNM + known.log_odds_BN.unsqueeze(-1)
            weight_BM = (zero_BNM + softplus(odds_BNM)).sum(1)
            if known.ones_B is not None:
                count_BCM = count_probabilities(odds_BNM)
                chosen_B1M = count_BCM.take_along_dim(known.ones_B[:, None, None], 1)
                weight_BM = weight_BM + chosen_B1M[:, 0].log()
            return self._weighed(weight_BM, part, members)

        size = max(1, _ELEMENTS // (self.pool * (episodes.n_context + 1)))
        starts = range(0, len(episodes), size)
        return torch.cat(
            [of(episodes.rows(i, i + size), known.rows(i, i + size)) for i in starts]
        )

    def plug_in_logit(self, episodes: Episodes) -> Tensor:
        """The oracle's formula for the most probable member: (B,) float64, nats.

        0 without a context, which leaves all of them alike.
        """
        members = self._members_on(episodes.query_x_BD.device)

        def of(part: Episodes) -> Tensor:
            best_B = self.base.log_likelihood(
                part.context_x_BND, part.context_y_BN, members
            ).argmax(1)
            latents = {name: value[best_B] for name, value in members.items()}
            return self.base.oracle_llr(replace(part, latents=latents))

        found_B = self._in_parts(of, episodes, self.pool)
        return found_B if episodes.n_context else torch.zeros_like(found_B)

    def llr_cdf(
        self, llr: np.ndarray, latents: Mapping[str, Tensor] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """That of the task, over the members."""
        return llr_cdf(self.base, llr, self.members if latents is None else latents)

    def oracle(self) -> OracleConstants:
        """Accuracy and pooled AUC of the LLR, over the members."""
        return oracle_constants(self.llr_cdf)

    def _members_on(self, device: torch.device) -> dict[str, Tensor]:
        return {name: value.to(device) for name, value in self.members.items()}

    def _weighed(
        self, log_weight_BM: Tensor, episodes: Episodes, members: Mapping[str, Tensor]
    ) -> Tensor:
        """The log-odds of y_q = 1, every member with its weight: (B,)."""
        x_B1D = episodes.query_x_BD.unsqueeze(1)
        zero_B1 = torch.zeros_like(episodes.query_y_B).unsqueeze(1)
        if_zero_B, if_one_B = (
            (log_weight_BM + self.base.log_likelihood(x_B1D, y_B1, members)).logsumexp(
                1
            )
            for y_B1 in (zero_B1, zero_B1 + 1)
        )
        return if_one_B - if_zero_B

    @staticmethod
    def _in_parts(
        of: Callable[[Episodes], Tensor], episodes: Episodes, each: int
    ) -> Tensor:
        size = max(1, _ELEMENTS // each)
        starts = range(0, max(len(episodes), 1), size)
        return torch.cat([of(episodes.rows(i, i + size)) for i in starts])


@functools.lru_cache(maxsize=64)
def _members(base: Task, pool: int, pool_seed: int) -> Mapping[str, Tensor]:
    """The latents of a pool: the same on every machine, and at every step."""
    return base.draw_latents(pool, generator(pool_seed, "pool"))
