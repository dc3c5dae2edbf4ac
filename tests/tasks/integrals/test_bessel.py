"""log(I_nu(kappa) / kappa^nu) is right at every order and argument that tasks meet."""

import math

import numpy as np
import pytest
import torch
from scipy.special import iv, logsumexp
from torch import Tensor

from icl_mlflow.tasks.integrals.bessel import log_bessel_over_power


def found(nu: float, kappa: np.ndarray | list[float]) -> np.ndarray:
    return log_bessel_over_power(nu, torch.tensor(kappa, dtype=torch.float64)).numpy()


def by_integral(nu: float, kappa: np.ndarray) -> np.ndarray:
    """Poisson: the integral of exp(kappa t) (1 - t^2)^(nu - 1/2) over [-1, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(1_500)
    exponent = kappa[:, None] * nodes + (nu - 0.5) * np.log1p(-(nodes**2))
    constant = nu * math.log(2) + 0.5 * math.log(math.pi) + math.lgamma(nu + 0.5)
    return logsumexp(exponent, b=weights, axis=1) - constant


@pytest.mark.parametrize("nu", [-0.5, 0.0, 0.5, 1.0, 7.0])
def test_agrees_with_scipy_where_that_neither_over_nor_underflows(nu: float) -> None:
    kappa = np.geomspace(1e-3, 600.0, 200)
    expected = np.log(iv(nu, kappa)) - nu * np.log(kappa)
    np.testing.assert_allclose(found(nu, kappa), expected, rtol=1e-13, atol=1e-12)


def test_half_integer_orders_are_elementary() -> None:
    kappa = np.geomspace(0.1, 300.0, 100)
    root = 0.5 * math.log(2 / math.pi)
    expected = {
        -0.5: np.log(np.cosh(kappa)),
        0.5: np.log(np.sinh(kappa) / kappa),
        1.5: np.log((np.cosh(kappa) - np.sinh(kappa) / kappa) / kappa**2),
    }
    for nu, value in expected.items():
        np.testing.assert_allclose(
            found(nu, kappa), value + root, rtol=1e-12, atol=1e-12
        )


# d = 16, 512, 2 000 and 8 000: from the second on, I_nu itself underflows.
@pytest.mark.parametrize("nu", [7.0, 255.0, 999.0, 3_999.0])
def test_high_orders_agree_with_the_integral(nu: float) -> None:
    kappa = np.geomspace(1e-2, 5_000.0, 150)
    np.testing.assert_allclose(found(nu, kappa), by_integral(nu, kappa), atol=1e-9)


@pytest.mark.parametrize("nu", [1.0, 7.0, 255.0, 999.0])
def test_neighbouring_orders_keep_the_recurrence(nu: float) -> None:
    """I_(nu-1) - I_(nu+1) = 2 nu I_nu / kappa, all divided by I_nu."""
    kappa = np.geomspace(1e-2, 2_000.0, 150)
    at = found(nu, kappa)
    below, above = found(nu - 1, kappa) - at, found(nu + 1, kappa) - at
    left = np.exp(below) - kappa**2 * np.exp(above)
    scale = np.exp(below)  # the two terms cancel as kappa grows
    np.testing.assert_allclose(left / scale, 2 * nu / scale, atol=2e-11)


@pytest.mark.parametrize("nu", [-0.5, 0.0, 7.0, 255.0, 9_999.0])
def test_the_value_and_the_curvature_at_zero_are_exact(nu: float) -> None:
    at_zero = -nu * math.log(2) - math.lgamma(nu + 1)
    assert found(nu, [0.0]) == pytest.approx([at_zero], rel=1e-15)
    # log 0F1 = kappa^2 / (4 (nu + 1)) + O(kappa^4); the value itself rounds at 1e-16.
    for kappa in (1e-200, 1e-3):
        growth = found(nu, [kappa])[0] - at_zero
        expected = kappa**2 / (4 * (nu + 1))
        assert growth == pytest.approx(expected, abs=1e-13 + 1e-15 * abs(at_zero))


@pytest.mark.parametrize("kappa", [1e7, 5e8])
@pytest.mark.parametrize("nu", [-0.5, 7.0, 255.0])
def test_large_arguments_follow_the_asymptote(nu: float, kappa: float) -> None:
    """Hankel: I_nu = e^kappa / sqrt(2 pi kappa) (1 - (4 nu^2 - 1) / 8 kappa + ...)."""
    mu = 4 * nu**2
    series = -(mu - 1) / (8 * kappa) + (mu - 1) * (mu - 9) / (2 * (8 * kappa) ** 2)
    series -= (mu - 1) * (mu - 9) * (mu - 25) / (6 * (8 * kappa) ** 3)
    expected = kappa - 0.5 * math.log(2 * math.pi * kappa) - nu * math.log(kappa)
    value = found(nu, [kappa])[0]
    assert value == pytest.approx(expected + math.log1p(series), rel=1e-13, abs=1e-7)


def test_keeps_the_shape_and_mixes_zeros_with_other_values() -> None:
    kappa = torch.tensor([[0.0, 1.0], [3.0, 0.0]], dtype=torch.float64)
    together: Tensor = log_bessel_over_power(7.0, kappa)
    alone = [log_bessel_over_power(7.0, value.view(1)) for value in kappa.flatten()]
    assert torch.equal(together, torch.cat(alone).view(2, 2))
