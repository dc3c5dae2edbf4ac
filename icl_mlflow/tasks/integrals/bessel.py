"""The modified Bessel function of the first kind, on a scale without overflow."""

import math

import torch
from scipy.special import ive
from torch import Tensor

# Below this the scaled function has lost digits to underflow; there kappa is small
# against the order, and the power series needs few terms.
_UNDERFLOW = 1e-280


def log_bessel_over_power(nu: float, kappa: Tensor) -> Tensor:
    """log(I_nu(kappa) / kappa^nu), finite at kappa = 0.

    Args:
        nu: the order, at least -1/2.
        kappa: any shape, at least 0, float64.

    >>> zero = torch.zeros(1, dtype=torch.float64)
    >>> bool(log_bessel_over_power(1.0, zero).exp() == 0.5)  # I_1(k) / k -> 1/2
    True
    """
    scaled = torch.from_numpy(ive(nu, kappa.cpu().numpy())).to(kappa.device)
    value = scaled.log() + kappa - nu * kappa.log()
    tiny = (scaled < _UNDERFLOW) | (kappa == 0)
    value[tiny] = _series(nu, kappa[tiny])
    return value


def _series(nu: float, kappa: Tensor) -> Tensor:
    """The power series about 0: -nu log 2 - log Gamma(nu + 1) + log 0F1(kappa^2 / 4).

    Its terms grow up to the k with k (nu + k) = kappa^2 / 4 and then fall as a
    Poisson tail does; they are summed as logarithms, for in high orders they overflow.
    """
    quarter = kappa.square() / 4
    largest = float(quarter.max()) if quarter.numel() else 0.0
    peak = (math.sqrt(nu**2 + 4 * largest) - nu) / 2
    n_terms = math.ceil(peak + 12 * math.sqrt(peak)) + 40
    log_term = torch.zeros_like(kappa)
    total = torch.zeros_like(kappa)
    for k in range(1, n_terms):
        log_term = log_term + (quarter / (k * (nu + k))).log()
        total = torch.logaddexp(total, log_term)
    return total - nu * math.log(2) - math.lgamma(nu + 1)
