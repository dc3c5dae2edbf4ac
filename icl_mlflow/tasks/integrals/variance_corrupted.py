r"""Task B when the context's labels are hidden: the posterior of the query's label.

The hypotheses are pairs of sigma_0 and sigma_1, both integrated out by Gauss-Legendre
quadrature in their logarithms; see `hidden_labels`.

Shape suffixes: G = nodes, P = pairs of nodes; others as always.
"""

import math

import numpy as np
import torch
from torch import Tensor

from icl_mlflow.episodes import Episodes
from icl_mlflow.tasks.integrals.hidden_labels import Hypotheses, hidden_labels_logit
from icl_mlflow.tasks.labels import KnownLabels


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
    reach = math.log(sigma_max / sigma_min)
    unit, weight = np.polynomial.legendre.leggauss(_n_nodes(coordinates, reach))
    middle = math.log(sigma_min * sigma_max) / 2
    log_sigma = middle + reach / 2 * unit
    log_sigma_G = torch.from_numpy(log_sigma).to(episodes.query_x_BD.device)
    # Uniform in sigma, so that log sigma has the density sigma.
    log_weight_G = torch.from_numpy(np.log(weight) + log_sigma)
    log_weight_P = (log_weight_G[:, None] + log_weight_G).flatten()

    def of_class(sign: int, x_D: Tensor) -> Tensor:
        """Sigma_0 changes slowly from pair to pair, and sigma_1 fast."""
        density_G = _log_density(x_D, log_sigma_G)
        if sign < 0:
            return density_G.repeat_interleave(len(log_sigma_G), dim=-1)
        return density_G.repeat(*[1] * (x_D.dim() - 1), len(log_sigma_G))

    return hidden_labels_logit(Hypotheses(log_weight_P, of_class), episodes, known)


def _n_nodes(coordinates: int, reach: float) -> int:
    """Nodes that resolve a posterior of log sigma, 1 / sqrt(2 coordinates) wide."""
    return 32 + math.ceil(0.84 * reach * math.sqrt(coordinates))


def _log_density(x_D: Tensor, log_sigma_G: Tensor) -> Tensor:
    """Of N(0, sigma^2 I) at x, up to a constant, for each sigma: (..., G) float64."""
    half_square = x_D.double().square().sum(-1, keepdim=True) / 2
    return -x_D.shape[-1] * log_sigma_G - half_square * (-2 * log_sigma_G).exp()
