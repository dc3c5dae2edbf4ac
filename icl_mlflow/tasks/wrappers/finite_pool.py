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
from collections.abc import Mapping
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
from icl_mlflow.tasks.wrappers.wrapper import Wrapper
from icl_mlflow.tasks.wrappers.wrapping import Wrapping

#: Numbers of one intermediate result, 8 MB: more parts cost by the call, for which the
#: task prepares all members each time.
_ELEMENTS = 1 << 20
#: Of these so many are summed at once, which do fit: 2 MB.
_IN_CACHE = 1 << 18


@dataclass(frozen=True)
class FinitePool(Wrapper):
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
    def wrapping(self) -> Wrapping:
        """The wrappers around that task."""
        return replace(self.base.wrapping, pool=self.pool, pool_seed=self.pool_seed)

    @property
    def shifts(self) -> Mapping[str, Mapping[str, float]]:
        """Those of the task, the members moving along, and the task without a pool."""
        return {**self.base.shifts, "out_of_pool": {"pool": 0}}

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

    def oracle_llr(self, episodes: Episodes) -> Tensor:
        """That of the task: (B,) float64, nats."""
        return self.base.oracle_llr(episodes)

    def bayes_logit(self, episodes: Episodes) -> Tensor:
        """The exact log-odds of y_q = 1, summed over the pool: (B,) float64, nats."""
        query_x_B1D = episodes.query_x_BD.unsqueeze(1)
        return self.bayes_logit_of_queries(episodes, query_x_B1D)[:, 0]

    def bayes_logit_of_queries(self, context: Episodes, query_x_BQD: Tensor) -> Tensor:
        """The same of Q queries; each context is weighed once: (B, Q) float64, nats."""
        members = self._members_on(query_x_BQD.device)
        n_queries = query_x_BQD.shape[1]
        found = []
        for rows in self._parts(len(context), self.pool * n_queries):
            weight_BM = self.base.log_likelihood(
                context.context_x_BND[rows], context.context_y_BN[rows], members
            )
            found.append(self._weighed(weight_BM, query_x_BQD[rows], members))
        return torch.cat(found)

    def corrupted_bayes_logit(
        self, episodes: Episodes, known: KnownLabels, rng: Generator
    ) -> Tensor:
        """The log-odds of y_q = 1 when the context's labels are hidden: (B,) float64.

        Given a member, labels are independent: the sum over all labellings is a
        product, times the probability of the number of ones where that is known.
        """
        del rng
        members = self._members_on(episodes.query_x_BD.device)
        found = []
        for rows in self._parts(len(episodes), self.pool * (episodes.n_context + 1)):
            context_x_BND = episodes.context_x_BND[rows]
            x_A1D = context_x_BND.flatten(0, 1).unsqueeze(1)
            zero_A1 = torch.zeros(len(x_A1D), 1, dtype=torch.int64, device=x_A1D.device)
            zero_BNM, one_BNM = (
                self.base.log_likelihood(x_A1D, y_A1, members).view(
                    *context_x_BND.shape[:2], self.pool
                )
                for y_A1 in (zero_A1, zero_A1 + 1)
            )
            odds_BNM = one_BNM - zero_BNM + known.log_odds_BN[rows].unsqueeze(-1)
            weight_BM = (zero_BNM + softplus(odds_BNM)).sum(1)
            if known.ones_B is not None:
                count_BCM = count_probabilities(odds_BNM)
                ones_B11 = known.ones_B[rows][:, None, None]
                weight_BM = (
                    weight_BM + count_BCM.take_along_dim(ones_B11, 1)[:, 0].log()
                )
            query_x_B1D = episodes.query_x_BD[rows].unsqueeze(1)
            found.append(self._weighed(weight_BM, query_x_B1D, members))
        return torch.cat(found)[:, 0]

    def plug_in_logit(self, episodes: Episodes) -> Tensor:
        """The oracle's formula for the most probable member: (B,) float64, nats.

        0 without a context, which leaves all of them alike.
        """
        members = self._members_on(episodes.query_x_BD.device)
        best = [
            self.base.log_likelihood(
                episodes.context_x_BND[rows], episodes.context_y_BN[rows], members
            ).argmax(1)
            for rows in self._parts(len(episodes), self.pool)
        ]
        latents = {name: value[torch.cat(best)] for name, value in members.items()}
        found_B = self.base.oracle_llr(replace(episodes, latents=latents))
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
        self, log_weight_BM: Tensor, query_BQD: Tensor, members: Mapping[str, Tensor]
    ) -> Tensor:
        """The log-odds of y_q = 1 for each query, every member with its weight."""
        n_queries = query_BQD.shape[1]
        x_A1D = query_BQD.flatten(0, 1).unsqueeze(1)
        zero_A1 = torch.zeros(len(x_A1D), 1, dtype=torch.int64, device=x_A1D.device)
        each = max(1, _IN_CACHE // (n_queries * self.pool))

        def evidence(y_A1: Tensor) -> Tensor:
            """Summed over the members, in the cache: (B, Q)."""
            likelihood_AM = self.base.log_likelihood(x_A1D, y_A1, members)
            likelihood_BQM = likelihood_AM.view(-1, n_queries, self.pool)
            weights = torch.split(log_weight_BM, each)
            likelihoods = torch.split(likelihood_BQM, each)
            summed = [
                (weight.unsqueeze(1) + likelihood).logsumexp(-1)
                for weight, likelihood in zip(weights, likelihoods, strict=True)
            ]
            return torch.cat(summed)

        return evidence(zero_A1 + 1) - evidence(zero_A1)

    @staticmethod
    def _parts(n_episodes: int, each: int) -> list[slice]:
        """Consecutive episodes, of ``each`` numbers each; one part at least."""
        size = max(1, _ELEMENTS // each)
        starts = range(0, max(n_episodes, 1), size)
        return [slice(start, start + size) for start in starts]


@functools.lru_cache(maxsize=64)
def _members(base: Task, pool: int, pool_seed: int) -> Mapping[str, Tensor]:
    """The latents of a pool: the same on every machine, and at every step."""
    return base.draw_latents(pool, generator(pool_seed, "pool"))
