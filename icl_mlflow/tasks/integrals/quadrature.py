"""Logs of integrals along one latent, by Gauss-Legendre rules that refine.

Nodes that stay where they are fail silently as contexts grow and posteriors narrow. So
panels are laid between the points where the integrand turns, cut to where it counts,
and halved until two rules agree on every one of the integrals.

Shape suffixes: R = integrals, E = edges, P = panels (E - 1), X = nodes.
"""

import functools
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

#: What lies so many nats below the largest value does not count.
_NEGLIGIBLE = 40.0
_BISECTIONS = 20
#: Nodes of the two rules of a panel.
_NODES = (20, 28)
#: The rules agree within this, in nats, and within rounding.
_TOLERANCE, _ROUNDING = 1e-11, 1e-14
_MOST_HALVINGS = 12
#: Integrals at once: few enough for the cache.
_CHUNK = 1_024

#: Places (R, X) and each integral's own numbers (R, 1) to logs of values (R, X).
LogIntegrand = Callable[..., Tensor]


def log_integral(
    log_integrand: LogIntegrand, edges_RE: Tensor, *numbers_R: Tensor
) -> Tensor:
    """The log of the integral of exp(log_integrand) from the first edge to the last.

    Args:
        log_integrand: of places (R, X) and the numbers as (R, 1): (R, X), finite.
        edges_RE: in order; between two of them the integrand rises, or falls, all the
            way. Float64.
        numbers_R: what tells the integrals apart.

    Returns:
        (R,) float64.

    Raises:
        ArithmeticError: two rules that never agree.

    >>> def gaussian(x, mean):
    ...     return -50 * (x - mean) ** 2
    >>> edges = torch.tensor([[-9.0, 1.0, 9.0]], dtype=torch.float64)
    >>> area = float(log_integral(gaussian, edges, edges[:, 1]).exp())
    >>> round(area**2 * 50 / torch.pi, 12)
    1.0
    """
    chunks = [slice(i, i + _CHUNK) for i in range(0, len(edges_RE), _CHUNK)]
    found = [
        _refined(log_integrand, edges_RE[rows], *(each_R[rows] for each_R in numbers_R))
        for rows in chunks
    ]
    return torch.cat(found)


def _refined(
    log_integrand: LogIntegrand, edges_RE: Tensor, *numbers_R: Tensor
) -> Tensor:
    numbers_R1 = [number_R.unsqueeze(-1) for number_R in numbers_R]
    low_RP, high_RP, top_R = _support(log_integrand, edges_RE, numbers_R1)
    found_R = torch.empty_like(top_R)
    open_R = torch.arange(len(top_R), device=top_R.device)
    for _ in range(_MOST_HALVINGS):
        rough_R, fine_R = (
            _by_rule(log_integrand, n, low_RP, high_RP, numbers_R1) for n in _NODES
        )
        found_R[open_R] = fine_R
        allowed_R = _TOLERANCE + _ROUNDING * top_R.abs()
        goes_on_R = ~((rough_R - fine_R).abs() <= allowed_R)
        if not goes_on_R.any():
            return found_R
        open_R, top_R = open_R[goes_on_R], top_R[goes_on_R]
        numbers_R1 = [number_R1[goes_on_R] for number_R1 in numbers_R1]
        low_RP, high_RP = low_RP[goes_on_R], high_RP[goes_on_R]
        middle_RP = (low_RP + high_RP) / 2
        low_RP = torch.cat([low_RP, middle_RP], dim=1)
        high_RP = torch.cat([middle_RP, high_RP], dim=1)
    raise ArithmeticError(f"{len(open_R)} integrals do not settle")


def _support(
    log_integrand: LogIntegrand, edges_RE: Tensor, numbers_R1: list[Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    """Each panel cut to where the integrand counts, and the log of its largest value.

    Between its edges the integrand is monotone, so that bisection is safe, whatever
    the number of its modes.
    """
    at_edge_RE = log_integrand(edges_RE, *numbers_R1)
    top_R1 = at_edge_RE.amax(1, keepdim=True)
    left_RP, right_RP = edges_RE[:, :-1], edges_RE[:, 1:]
    falls_RP = at_edge_RE[:, :-1] >= at_edge_RE[:, 1:]
    inside_RP = torch.where(falls_RP, left_RP, right_RP)
    outside_RP = torch.where(falls_RP, right_RP, left_RP)
    inner_RP = inside_RP
    for _ in range(_BISECTIONS):
        middle_RP = (inside_RP + outside_RP) / 2
        counts_RP = log_integrand(middle_RP, *numbers_R1) >= top_R1 - _NEGLIGIBLE
        inside_RP = torch.where(counts_RP, middle_RP, inside_RP)
        outside_RP = torch.where(counts_RP, outside_RP, middle_RP)
    low_RP = torch.minimum(inner_RP, outside_RP)
    return low_RP, torch.maximum(inner_RP, outside_RP), top_R1[:, 0]


def _by_rule(
    log_integrand: LogIntegrand,
    n_nodes: int,
    low_RP: Tensor,
    high_RP: Tensor,
    numbers_R1: list[Tensor],
) -> Tensor:
    unit_X, weight_X = (
        torch.from_numpy(each).to(low_RP.device) for each in unit_legendre(n_nodes)
    )
    width_RP1 = (high_RP - low_RP).unsqueeze(-1)
    place_RPX = low_RP.unsqueeze(-1) + width_RP1 * unit_X
    value_RX = log_integrand(place_RPX.flatten(1), *numbers_R1)
    return (value_RX + (width_RP1 * weight_X).log().flatten(1)).logsumexp(1)


@functools.lru_cache(maxsize=32)
def unit_legendre(n_nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of the Gauss-Legendre rule over [0, 1].

    >>> node, weight = unit_legendre(3)
    >>> round(float((weight * node**5).sum()), 12)  # the mean of x^5 is 1/6
    0.166666666667
    """
    node, weight = np.polynomial.legendre.leggauss(n_nodes)
    return (node + 1) / 2, weight / 2
