"""Many variants are compared with one baseline; how much of that is luck?"""

import numpy as np
from numpy.typing import ArrayLike

from icl_mlflow.statistics.sample import finite_sample


def holm(p_values: ArrayLike) -> list[float]:
    """Holm's step-down adjusted p-values, in the order given.

    Calling "different" whatever is at most alpha keeps the chance of any false call at
    alpha, whatever the dependence between the tests (Holm 1979).

    Raises:
        ValueError: no p-values, or one that is not in [0, 1]; a comparison that could
            not be tested (one seed) has no place in the family.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03, 0.005])]
    [0.03, 0.06, 0.06, 0.02]
    """
    p = finite_sample("p_values", p_values)
    if p.min() < 0 or p.max() > 1:
        raise ValueError(f"p_values must be in [0, 1], not {p[(p < 0) | (p > 1)][0]}")
    order = p.argsort()
    stepped = p[order] * np.arange(len(p), 0, -1)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(stepped), 1)
    return [float(value) for value in adjusted]
