"""The chance of a positive statistic is that of laws which scipy knows."""

import numpy as np
import pytest
from scipy.special import wofz
from scipy.stats import chi2, norm

from icl_mlflow.tasks.integrals.inversion import (
    chance_positive,
    logarithmic,
    oscillating,
)


@pytest.mark.parametrize("mean", [-2.0, 0.0, 0.3, 1.0])
@pytest.mark.parametrize("deviation", [1e-3, 1.0, 50.0])
def test_of_normal_statistics(mean: float, deviation: float) -> None:
    def normal(t: np.ndarray) -> np.ndarray:
        found: np.ndarray = np.exp(1j * mean * deviation * t - (deviation * t) ** 2 / 2)
        return found

    found = chance_positive(normal, logarithmic())
    assert found == pytest.approx(norm.cdf(mean), abs=1e-12)


@pytest.mark.parametrize("degrees", [1, 3, 40])
def test_of_a_statistic_that_is_bounded_below(degrees: int) -> None:
    """Chi-squared less its median-like point: phi oscillates, and falls as a power."""
    bound = 0.7 * degrees

    def moved(t: np.ndarray) -> np.ndarray:
        found: np.ndarray = np.exp(-1j * bound * t) * (1 - 2j * t) ** (-degrees / 2)
        return found

    found = chance_positive(moved, oscillating(2.0, 10_000.0))
    assert found == pytest.approx(chi2.sf(bound, degrees), abs=2e-6)


def test_of_a_product_of_normals() -> None:
    """z z' + z^2 / 4, whose ratio of normals is Cauchy: heavy, and no smooth edge."""

    def characteristic(t: np.ndarray) -> np.ndarray:
        # Given z it is normal with mean z^2 / 4 and variance z^2.
        found: np.ndarray = (1 + t**2 - 0.5j * t) ** -0.5
        return found

    expected = 0.5 + np.arctan(0.25) / np.pi
    assert chance_positive(characteristic, logarithmic()) == pytest.approx(
        expected, abs=1e-12
    )


def test_the_panels_cover_what_is_asked_for() -> None:
    rule = oscillating(0.5, 30.0)
    assert rule.t.min() > 0
    assert 30 <= rule.t.max() <= 31
    gaussian = rule.weight @ np.exp(-(rule.t**2))
    assert gaussian == pytest.approx(np.sqrt(np.pi) / 2, abs=1e-13)
    wave = rule.weight @ (np.exp(2j * rule.t) * np.exp(-(rule.t**2)))
    expected = np.sqrt(np.pi) / 2 * wofz(1.0)
    assert wave == pytest.approx(expected, abs=1e-12)
