"""The exact scores of the test between Laplace's law and Gauss' of one variance.

They are those of task D, whatever its scale is.
"""

import functools
import math

import numpy as np
from scipy.special import erfcx

from icl_mlflow.tasks.base import OracleConstants
from icl_mlflow.tasks.integrals.inversion import chance_positive, oscillating

_ROOT = math.sqrt(2)


@functools.lru_cache(maxsize=32)
def laplace_gauss_oracle(dim: int) -> OracleConstants:
    """Accuracy and pooled AUC, to about 1e-7 for dim = 1 and further from there on.

    >>> round(laplace_gauss_oracle(16).accuracy, 6)
    0.752806

    A coordinate w = x / sigma adds h = log(pi) / 2 + w^2 / 2 - sqrt2 |w|; what
    exp(i t h) is on average under either law, completing the square tells.
    """

    def one_coordinate(t: np.ndarray, density: float, a: float, b: float) -> np.ndarray:
        """Of the law density * exp(-a w^2 - b w) of w > 0."""
        curve, slope = a - 0.5j * t, b + 1j * _ROOT * t
        root = np.sqrt(curve)
        half_line = np.sqrt(np.pi) / (2 * root) * erfcx(slope / (2 * root))
        found: np.ndarray = density * np.exp(0.5j * math.log(math.pi) * t) * half_line
        return found

    def answer(t: np.ndarray) -> np.ndarray:
        """Of the ratio under y = 1: under Laplace's law, or less that under Gauss'."""
        laplace = one_coordinate(t, _ROOT, 0.0, _ROOT) ** dim
        gauss = one_coordinate(t, math.sqrt(2 / math.pi), 0.5, 0.0) ** dim
        found: np.ndarray = (laplace + gauss.conj()) / 2
        return found

    # h has a least value, so that its waves fall only as t^(-dim / 2).
    last = min(1e5, 2 + 10 ** (10 / (1 + dim / 2)))
    rule = oscillating(10 / dim, last)
    return OracleConstants(
        accuracy=chance_positive(answer, rule),
        auc=chance_positive(lambda t: answer(t) ** 2, rule),
    )
