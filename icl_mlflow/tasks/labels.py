"""Evidence on the labels of a context after they were corrupted.

A corrupted context is one whose true labels are hidden variables again. What is seen in
their place gives each of them odds of its own, or fixes how many of them are 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from icl_mlflow.episodes import Episodes


@dataclass(frozen=True, kw_only=True)
class KnownLabels:
    """Evidence about the true labels of a context, apart from its points.

    Attributes:
        log_odds_BN: that a label is 1, each on its own; float64, nats.
        ones_B: how many of them are 1, int64; None where that is not known.
    """

    log_odds_BN: Tensor
    ones_B: Tensor | None = None

    def rows(self, start: int, stop: int) -> KnownLabels:
        """Episodes ``start`` to ``stop``, as views."""
        ones_B = None if self.ones_B is None else self.ones_B[start:stop]
        return KnownLabels(log_odds_BN=self.log_odds_BN[start:stop], ones_B=ones_B)


def nothing_known(episodes: Episodes) -> KnownLabels:
    """The evidence of a context without labels: none."""
    return KnownLabels(log_odds_BN=_even_odds(episodes))


def known_when_shuffled(episodes: Episodes) -> KnownLabels:
    """The evidence of uniformly permuted labels: how many are 1, and no more."""
    return KnownLabels(
        log_odds_BN=_even_odds(episodes),
        ones_B=episodes.context_y_BN.sum(1),
    )


def known_when_flipped(episodes: Episodes, flip_rate: float) -> KnownLabels:
    """The evidence of labels of which each was flipped with probability ``flip_rate``.

    Raises:
        ValueError: a rate that is not between 0 and 1.
    """
    if not 0 < flip_rate < 1:
        raise ValueError(f"flip_rate must be between 0 and 1, not {flip_rate}")
    sign_BN = 2 * episodes.context_y_BN.double() - 1
    return KnownLabels(log_odds_BN=sign_BN * math.log((1 - flip_rate) / flip_rate))


def _even_odds(episodes: Episodes) -> Tensor:
    """Log-odds of 0 for every label: (B, N) float64."""
    y_BN = episodes.context_y_BN.double()
    return y_BN.new_zeros(y_BN.shape)


def count_probabilities(log_odds_BNP: Tensor) -> Tensor:
    """The distribution of how many of N independent labels are 1: (B, N + 1, P).

    Adds one label at a time; all terms are positive, so no digits are lost.

    Args:
        log_odds_BNP: of each label, under each of P hypotheses, float64.
    """
    n_episodes, n_labels, n_hypotheses = log_odds_BNP.shape
    one_BNP, zero_BNP = log_odds_BNP.sigmoid(), (-log_odds_BNP).sigmoid()
    count_BCP = log_odds_BNP.new_zeros(n_episodes, n_labels + 1, n_hypotheses)
    count_BCP[:, 0] = 1.0
    for i in range(n_labels):
        with_it_BCP = count_BCP[:, : i + 1] * one_BNP[:, i : i + 1]
        count_BCP[:, : i + 1] *= zero_BNP[:, i : i + 1]
        count_BCP[:, 1 : i + 2] += with_it_BCP
    return count_BCP
