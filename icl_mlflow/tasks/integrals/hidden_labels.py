r"""The posterior of the query's label when the context's are hidden, over hypotheses.

Given the latents, labels are independent of each other with log-odds

    l_i = log p(x_i | y_i = 1) - log p(x_i | y_i = 0) + lambda_i,

lambda_i being what is known of label i beforehand; the sum over all labellings of the
context is a product, times the probability of the number of ones where that is known.
What remains is a sum over hypotheses on the latents: the nodes of a quadrature, or all
that there are.

Shape suffixes: P = hypotheses, C = numbers of ones; others as always.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import softplus

from icl_mlflow.episodes import Episodes
from icl_mlflow.tasks.labels import KnownLabels, count_probabilities

#: Points times hypotheses at once: few enough for the cache.
_CHUNK = 500_000


@dataclass(frozen=True)
class Hypotheses:
    """What the latents may be.

    Attributes:
        log_weight_P: of each beforehand, float64; a common constant does not matter.
        log_density: sign of the class (-1 or 1) and points (..., D) to their log
            densities under each, (..., P) float64, up to a constant that the classes
            share.
    """

    log_weight_P: Tensor
    log_density: Callable[[int, Tensor], Tensor]


def hidden_labels_logit(
    hypotheses: Hypotheses, episodes: Episodes, known: KnownLabels
) -> Tensor:
    """The log-odds of y_q = 1 given the points and what is known of their labels.

    Args:
        hypotheses: the latents, integrated or summed over.
        episodes: their context labels are not looked at.
        known: what is known instead.

    Returns:
        (B,) float64, nats.
    """
    each = (episodes.n_context + 1) * len(hypotheses.log_weight_P)
    size = max(1, _CHUNK // each)
    parts = [
        _logit(
            hypotheses,
            episodes.rows(start, start + size),
            known.rows(start, start + size),
        )
        for start in range(0, len(episodes), size)
    ]
    return torch.cat(parts)


def _logit(hypotheses: Hypotheses, episodes: Episodes, known: KnownLabels) -> Tensor:
    zero_BNP, one_BNP = (
        hypotheses.log_density(sign, episodes.context_x_BND) for sign in (-1, 1)
    )
    log_odds_BNP = one_BNP - zero_BNP + known.log_odds_BN.unsqueeze(-1)
    posterior_BP = (zero_BNP + softplus(log_odds_BNP)).sum(1)
    posterior_BP = posterior_BP + hypotheses.log_weight_P.to(posterior_BP.device)
    if known.ones_B is not None:
        count_BCP = count_probabilities(log_odds_BNP)
        chosen_B1P = count_BCP.take_along_dim(known.ones_B[:, None, None], dim=1)
        posterior_BP = posterior_BP + chosen_B1P[:, 0].log()
    if_zero_B, if_one_B = (
        (posterior_BP + hypotheses.log_density(sign, episodes.query_x_BD)).logsumexp(1)
        for sign in (-1, 1)
    )
    return if_one_B - if_zero_B
