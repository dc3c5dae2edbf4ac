"""The trend at the end of a learning curve."""

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtr

from icl_mlflow.statistics.sample import finite_sample

#: The share of the epochs that counts as the end, and the fewest that show a slope.
_END, _FEWEST = 0.25, 4
#: A fall by less than this share is none.
_SMALLEST_FALL = 0.1
_SIGNIFICANCE = 0.05


def falling_at_end(values: ArrayLike) -> float:
    """The share by which positive values still fell over their last quarter, or 0.

    The least-squares slope of the logarithm over the last quarter of the epochs, at
    least four. It counts as a fall if it is one by a one-sided t-test at .05, and comes
    to a tenth or more over these epochs. NaN for fewer than four epochs.

    Raises:
        ValueError: no values, or one that is not finite.

    >>> round(falling_at_end([0.4, 0.3, 0.2, 0.1, 0.07, 0.05, 0.035]), 2)
    0.65
    >>> falling_at_end([0.4, 0.3, 0.2, 0.1, 0.1, 0.1, 0.1])
    0.0
    """
    sample = finite_sample("values", values)
    n_end = max(_FEWEST, math.ceil(_END * len(sample)))
    if len(sample) < _FEWEST or sample.min() <= 0:
        return math.nan
    end = np.log(sample[-n_end:])
    epoch = np.arange(n_end) - (n_end - 1) / 2
    spread = float(epoch @ epoch)
    slope = float(epoch @ end) / spread
    residual = end - end.mean() - slope * epoch
    fall = 1 - math.exp(slope * (n_end - 1))
    if fall < _SMALLEST_FALL:
        return 0.0
    error = math.sqrt(float(residual @ residual) / (n_end - 2) / spread)
    is_sure = error == 0 or stdtr(n_end - 2, slope / error) <= _SIGNIFICANCE
    return fall if is_sure else 0.0
