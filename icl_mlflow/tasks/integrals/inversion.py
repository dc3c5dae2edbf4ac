"""The chance that a statistic is positive, from its characteristic function.

    P(S > 0) = 1/2 + (1/pi) integral over t > 0 of Im phi(t) / t,  phi(t) = E exp(i t S)

for S without an atom at 0 (Gil-Pelaez, 1951). Where the log-likelihood ratio of a task
is a sum of independent terms phi is a product, so the oracle's accuracy and AUC are
exact without drawing an episode: with L the ratio under y = 1, and -L in law under
y = 0, they are P(L > 0) and P(L + L' > 0) for an independent L'.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from icl_mlflow.tasks.integrals.quadrature import unit_legendre

#: Times t to E exp(i t S).
Characteristic = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Rule:
    """Nodes t > 0, and weights of an integral over t."""

    t: np.ndarray
    weight: np.ndarray


def chance_positive(characteristic: Characteristic, rule: Rule) -> float:
    """P(S > 0).

    >>> def normal(t):
    ...     return np.exp(1j * t - t**2 / 2)  # of mean 1 and variance 1
    >>> round(chance_positive(normal, logarithmic()), 12)
    0.841344746069
    """
    imaginary = characteristic(rule.t).imag
    return 0.5 + float((rule.weight * imaginary / rule.t).sum()) / math.pi


def logarithmic() -> Rule:
    """For functions that neither oscillate nor end: the trapezoidal rule over log t."""
    step = 0.1
    t = np.exp(np.arange(-40.0, 40.0, step))
    return Rule(t, step * t)


def oscillating(width: float, last: float) -> Rule:
    """For functions that oscillate: panels up to ``last``, none wider than ``width``.

    The first ones are narrow: at 0 a statistic with heavy tails is hardly smooth.
    """
    widths = [1e-3 * width]
    while sum(widths) < 4 * width:
        widths.append(min(width, 1.5 * widths[-1]))
    start = np.cumsum([0.0, *widths])
    edges = np.concatenate([start, np.arange(start[-1] + width, last + width, width)])
    node, weight = unit_legendre(20)
    size = np.diff(edges)[:, None]
    return Rule((edges[:-1, None] + size * node).ravel(), (size * weight).ravel())
