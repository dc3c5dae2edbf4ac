r"""Task B when the context's labels are hidden: the posterior of the query's label.

Given both sigmas, labels are independent with log-odds

    l_i = log N(x_i; 0, sigma_1^2 I) - log N(x_i; 0, sigma_0^2 I) + lambda_i,

lambda_i being what is known of label i beforehand; the sum over all labellings of the
context is a product, times the probability of the number of ones where that is known.
The two sigmas are integrated out by Gauss-Legendre quadrature in their logarithms.

Shape suffixes: G = nodes, P = pairs of nodes, C = numbers of ones; others as always.
"""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import softplus

from icl_mlflow.episodes import Episodes
from icl_mlflow.tasks.labels import KnownLabels, count_probabilities

#: Episodes at once: few enough for the cache.
_CHUNK = 8


def corrupted_logit(
    sigma_min: float, sigma_max: float, episodes: Episodes, known: KnownLabels
) -> Tensor:
    """The log-odds of y_q = 1 given the points and what is known of their labels.

    Args:
        sigma_min: least value of both sigmas.
        sigma_max: largest value of both sigmas.
        episodes: their context labels are not looked at.
        known: what is known instead.

    Returns:
        (B,) float64, nats.
    """
    coordinates = (episodes.n_context + 1) * episodes.query_x_BD.shape[-1]
    unit, weight = np.polynomial.legendre.leggauss(_n_nodes(coordinates))
    middle = math.log(sigma_min * sigma_max) / 2
    log_sigma = middle + math.log(sigma_max / sigma_min) / 2 * unit
    log_sigma_G = torch.from_numpy(log_sigma).to(episodes.query_x_BD.device)
    # Uniform in sigma, so that log sigma has the density sigma.
    log_weight_G = torch.from_numpy(np.log(weight) + log_sigma).to(log_sigma_G.device)
    parts = [
        _logit(
            log_sigma_G,
            log_weight_G,
            episodes.rows(start, start + _CHUNK),
            known.rows(start, start + _CHUNK),
        )
        for start in range(0, len(episodes), _CHUNK)
    ]
    return torch.cat(parts)


def _n_nodes(coordinates: int) -> int:
    """Nodes that resolve a posterior of log sigma, 1 / sqrt(2 coordinates) wide."""
    return 32 + math.ceil(1.5 * math.sqrt(coordinates))


def _logit(
    log_sigma_G: Tensor, log_weight_G: Tensor, episodes: Episodes, known: KnownLabels
) -> Tensor:
    n_nodes = len(log_sigma_G)
    density_BNG = _log_density(episodes.context_x_BND, log_sigma_G)
    query_BG = _log_density(episodes.query_x_BD, log_sigma_G)

    # Hypotheses P: sigma_0 by sigma_1.
    first_BNP = density_BNG.repeat_interleave(n_nodes, dim=-1)
    log_odds_BNP = density_BNG.repeat(1, 1, n_nodes) - first_BNP
    log_odds_BNP = log_odds_BNP + known.log_odds_BN.unsqueeze(-1)
    posterior_BP = (first_BNP + softplus(log_odds_BNP)).sum(1)
    if known.ones_B is not None:
        count_BCP = count_probabilities(log_odds_BNP)
        chosen_B1P = count_BCP.take_along_dim(known.ones_B[:, None, None], dim=1)
        posterior_BP = posterior_BP + chosen_B1P[:, 0].log()
    posterior_BGG = posterior_BP.reshape(-1, n_nodes, n_nodes)
    posterior_BGG = posterior_BGG + log_weight_G[:, None] + log_weight_G
    if_zero_B = (posterior_BGG + query_BG.unsqueeze(-1)).logsumexp((1, 2))
    if_one_B = (posterior_BGG + query_BG.unsqueeze(1)).logsumexp((1, 2))
    return if_one_B - if_zero_B


def _log_density(x_D: Tensor, log_sigma_G: Tensor) -> Tensor:
    """Of N(0, sigma^2 I) at x, up to a constant, for each sigma: (..., G) float64."""
    half_square = x_D.double().square().sum(-1, keepdim=True) / 2
    return -x_D.shape[-1] * log_sigma_G - half_square * (-2 * log_sigma_G).exp()
