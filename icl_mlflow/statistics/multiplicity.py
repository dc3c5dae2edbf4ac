"""Multiplicity: p-values of many comparisons with one baseline, corrected."""

import numpy as np
from numpy.typing import ArrayLike

from icl_mlflow.statistics.sample import Sample, finite_sample


def holm(
    p_values: ArrayLike,
    smallest: ArrayLike | None = None,
    significance: float = 0.05,
) -> list[float]:
    """Holm's step-down adjusted p-values, in the order given.

    Calling "different" whatever is at most alpha keeps the chance of any false call at
    alpha, whatever the dependence between the tests (Holm 1979). Tests that could not
    have shown anything, such as of a share where all of both groups succeeded, do not
    count (Tarone 1990): the factor is the least k such that at most k tests can reach
    ``significance`` / k.

    Args:
        p_values: of all tests of the family.
        smallest: the least p-value that each could have had; 0 where not given.
        significance: at which the calls are made; only ``smallest`` needs it.

    Raises:
        ValueError: no p-values, or one that is not in [0, 1]; a comparison that could
            not be tested (one seed) has no place in the family.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03, 0.005])]
    [0.03, 0.06, 0.06, 0.02]
    >>> [round(p, 3) for p in holm([0.01, 1.0, 0.03], smallest=[0.008, 1.0, 0.008])]
    [0.02, 1.0, 0.03]
    """
    p = finite_sample("p_values", p_values)
    if p.min() < 0 or p.max() > 1:
        raise ValueError(f"p_values must be in [0, 1], not {p[(p < 0) | (p > 1)][0]}")
    least = np.zeros_like(p) if smallest is None else finite_sample("least", smallest)
    order = p.argsort(kind="stable")
    factors = [_factor(least[order[i:]], significance) for i in range(len(p))]
    stepped = p[order] * factors
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(stepped), 1)
    return [float(value) for value in adjusted]


def family_size(smallest: ArrayLike, significance: float = 0.05) -> int:
    """The factor of `holm`'s first step: how many tests count; at least 1."""
    return _factor(finite_sample("smallest", smallest), significance)


def _factor(smallest: Sample, significance: float) -> int:
    """Tarone's factor for the tests that are left."""
    return next(
        (
            k
            for k in range(1, len(smallest) + 1)
            if (smallest <= significance / k).sum() <= k
        ),
        len(smallest),
    )
