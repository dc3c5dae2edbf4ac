"""The oracle of Laplace's law against Gauss' has the scores that can be found apart."""

import math

import numpy as np
import pytest
from scipy.stats import laplace, norm

from icl_mlflow.tasks.integrals.laplace_gauss_oracle import laplace_gauss_oracle


def test_of_one_coordinate_the_accuracy_is_elementary() -> None:
    """Laplace's density is the larger one but between two values of |x| / sigma."""
    gap = math.sqrt(2 - math.log(math.pi))
    low, high = math.sqrt(2) - gap, math.sqrt(2) + gap
    gauss = 2 * (norm.cdf(high) - norm.cdf(low))
    outside = 1 - math.exp(-math.sqrt(2) * low) + math.exp(-math.sqrt(2) * high)
    found = laplace_gauss_oracle(1).accuracy
    assert found == pytest.approx((gauss + outside) / 2, abs=1e-6)


def test_the_area_under_the_curve_of_one_coordinate_is_that_of_its_draws() -> None:
    """Both laws on a fine grid of quantiles; the coin says which class is which."""
    share = (np.arange(4_000) + 0.5) / 4_000
    ratios = []
    for law in (laplace(scale=1 / math.sqrt(2)), norm()):
        w = np.abs(law.ppf(share))
        ratios.append(math.log(math.pi) / 2 + w**2 / 2 - math.sqrt(2) * w)
    one = np.sort(np.concatenate([ratios[0], -ratios[1]]))
    expected = np.searchsorted(one, -one).mean() / len(one)
    assert laplace_gauss_oracle(1).auc == pytest.approx(1 - expected, abs=1e-3)
