r"""Unequal classes: every label is 1 with probability pi in place of 1/2.

pi is known, or each episode draws its own from Beta(a, b). Labels that are seen carry
the same evidence about an episode's latents as fair ones do, so the exact log-odds are
those of fair labels plus what labels alone tell of the next one:

    log(pi / (1 - pi)),    or    log((n_1 + a) / (n_0 + b)),

n_c being the context's labels of class c.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.special import betaincinv, logit, roots_jacobi
from torch import Generator, Tensor

from icl_mlflow.episodes import Episodes
from icl_mlflow.tasks.base import NotKnownError, OracleConstants, Symmetry, Task
from icl_mlflow.tasks.labels import KnownLabels
from icl_mlflow.tasks.wrappers.oracle import llr_cdf, oracle_constants
from icl_mlflow.tasks.wrappers.wrapper import Wrapper
from icl_mlflow.tasks.wrappers.wrapping import FAIR, Wrapping

#: Nodes of an average over pi.
_NODES = 32
#: A probability of 0 or 1 would be sure.
_TINY = 2.0**-53


@dataclass(frozen=True)
class ClassPrior(Wrapper):
    """A task whose labels are no fair coins.

    Attributes:
        base: the same with fair labels.
        prior: the probability of y = 1, or its mean.
        concentration: a + b of its Beta distribution over episodes; 0 for the same in
            all of them.
    """

    base: Task
    prior: float
    concentration: float

    @property
    def wrapping(self) -> Wrapping:
        """The wrappers around that task."""
        return replace(
            self.base.wrapping,
            prior=self.prior,
            prior_concentration=self.concentration,
        )

    @property
    def shifts(self) -> Mapping[str, Mapping[str, float]]:
        """Those of the task, and fair labels."""
        fair = {"prior": FAIR, "prior_concentration": 0.0}
        return {**self.base.shifts, "fair_labels": fair}

    @property
    def symmetries(self) -> frozenset[Symmetry]:
        """Those of the task; classes can be exchanged only where they are alike."""
        if self.prior == FAIR:
            return self.base.symmetries
        return self.base.symmetries - {"classes"}

    @property
    def knows_corrupted_labels(self) -> bool:
        """Whether hidden labels can be summed over: with a known prior."""
        return not self.concentration and self.base.knows_corrupted_labels

    @property
    def base_rate(self) -> float:
        """The probability of y = 1, all else unknown."""
        return self.prior

    def label_log_odds(self, ones_B: Tensor, n_labels: int) -> Tensor:
        """Log pi / (1 - pi), or log (n_1 + a) / (n_0 + b): (B,) float64, nats."""
        if not self.concentration:
            return torch.full_like(ones_B, self._log_odds, dtype=torch.float64)
        a, b = self._shape
        return ((ones_B.double() + a) / (n_labels - ones_B.double() + b)).log()

    def draw_latents(self, n_episodes: int, rng: Generator) -> dict[str, Tensor]:
        """Those of the task and, where episodes differ in it, ``prior`` (B,)."""
        if not self.concentration:
            return self.base.draw_latents(n_episodes, rng)
        uniform_B = torch.rand(
            n_episodes, generator=rng, device=rng.device, dtype=torch.float64
        )
        a, b = self._shape
        prior_B = torch.from_numpy(betaincinv(a, b, uniform_B.cpu().numpy()))
        prior_B = prior_B.clamp(_TINY, 1 - _TINY).to(rng.device)
        return {"prior": prior_B, **self.base.draw_latents(n_episodes, rng)}

    def draw_labels(
        self, latents: Mapping[str, Tensor], shape: tuple[int, int], rng: Generator
    ) -> Tensor:
        """Each 1 with the episode's probability: (B, S) int64."""
        uniform_BS = torch.rand(
            shape, generator=rng, device=rng.device, dtype=torch.float64
        )
        if not self.concentration:
            return (uniform_BS < self.prior).long()
        return (uniform_BS < latents["prior"].unsqueeze(1)).long()

    def oracle_llr(self, episodes: Episodes) -> Tensor:
        """The log-odds of y_q = 1, latents and prior known: (B,) float64, nats."""
        llr_B = self.base.oracle_llr(episodes)
        if self.concentration:
            return llr_B + episodes.latents["prior"].logit()
        return llr_B + self._log_odds

    def bayes_logit(self, episodes: Episodes) -> Tensor:
        """The exact log-odds of y_q = 1: (B,) float64, nats."""
        fair_B = self.base.bayes_logit(episodes)
        return fair_B + self._told_by_labels(episodes)

    def bayes_logit_of_queries(self, context: Episodes, query_x_BQD: Tensor) -> Tensor:
        """The same of Q queries: (B, Q) float64, nats."""
        fair_BQ = self.base.bayes_logit_of_queries(context, query_x_BQD)
        return fair_BQ + self._told_by_labels(context).unsqueeze(1)

    def corrupted_bayes_logit(
        self, episodes: Episodes, known: KnownLabels, rng: Generator
    ) -> Tensor:
        """The log-odds of y_q = 1 when the context's labels are hidden: (B,) float64.

        Each hidden label is as likely to be 1 as the query's. Given how many are 1, it
        does not matter how likely that was.

        Raises:
            NotKnownError: the prior is not known either, nor how many labels are 1; or
                the task does not have it.
        """
        if known.ones_B is not None:
            odds_B = self.label_log_odds(known.ones_B, episodes.n_context)
        elif self.concentration:
            raise NotKnownError(
                "hidden labels of an unknown prior are not summed over; leave out "
                "prior_concentration"
            )
        else:
            odds_B = self._told_by_labels(episodes)
            log_odds_BN = known.log_odds_BN + odds_B.unsqueeze(1)
            known = replace(known, log_odds_BN=log_odds_BN)
        return self.base.corrupted_bayes_logit(episodes, known, rng) + odds_B

    def plug_in_logit(self, episodes: Episodes) -> Tensor:
        """The task's, plus what labels alone tell: (B,) float64, nats."""
        fair_B = self.base.plug_in_logit(episodes)
        return fair_B + self._told_by_labels(episodes)

    def llr_cdf(
        self, llr: np.ndarray, latents: Mapping[str, Tensor] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """That of the task: of the points alone."""
        return llr_cdf(self.base, llr, latents)

    def oracle(self) -> OracleConstants:
        """Accuracy and pooled AUC of the log-odds, latents and prior known."""
        if not self.concentration:
            return oracle_constants(self.llr_cdf, np.array([self.prior]))
        a, b = self._shape
        node, weight = roots_jacobi(_NODES, b - 1, a - 1)
        return oracle_constants(self.llr_cdf, (node + 1) / 2, weight / weight.sum())

    @property
    def _shape(self) -> tuple[float, float]:
        """The a and b of the Beta distribution."""
        a = self.prior * self.concentration
        return a, self.concentration - a

    @property
    def _log_odds(self) -> float:
        return float(logit(self.prior))

    def _told_by_labels(self, episodes: Episodes) -> Tensor:
        return self.label_log_odds(episodes.context_y_BN.sum(1), episodes.n_context)
