"""The modified Bessel function of the first kind, on the scale where it never overflows."""

import math

import torch
from scipy.special import ive
from torch import Tensor

# Below this the scaled function has lost digits to underflow; there kappa is small
# against the order, and the power series converges within a few terms.
_UNDERFLOW = 1e-280
_SERIES_TERMS = 60


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
    in_range = (scaled > _UNDERFLOW) & (kappa > 0)
    direct = scaled.log() + kappa - nu * kappa.log()
    return torch.where(in_range, direct, _series(nu, kappa))


def _series(nu: float, kappa: Tensor) -> Tensor:
    """The power series about 0: -nu log 2 - log Gamma(nu + 1) + log 0F1(kappa^2 / 4)."""
    quarter = kappa.square() / 4
    term = torch.ones_like(kappa)
    total = torch.ones_like(kappa)
    for k in range(1, _SERIES_TERMS):
        term = term * quarter / (k * (nu + k))
        total = total + term
    return total.log() - nu * math.log(2) - math.lgamma(nu + 1)
