"""The log of an integral is right where fixed nodes miss what counts."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.special import log_ndtr
from torch import Tensor

from icl_mlflow.tasks.integrals.quadrature import log_integral, unit_legendre


def rows(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def bell(x: Tensor, mean: Tensor, width: Tensor) -> Tensor:
    return -((x - mean) / width).square() / 2


@pytest.mark.parametrize("width", [1e-6, 1e-3, 0.1, 10.0])
def test_a_bell_of_any_width_has_its_area(width: float) -> None:
    mean, width_R = rows(-0.9, 0.0, 0.3, 0.999), rows(*[width] * 4)
    edge = torch.ones(4, dtype=torch.float64)
    found_R = log_integral(bell, torch.stack([-edge, mean, edge], 1), mean, width_R)
    low, high = ((end - mean.numpy()) / width for end in (-1, 1))
    area = log_ndtr(high) + np.log1p(-np.exp(log_ndtr(low) - log_ndtr(high)))
    expected = area + math.log(math.sqrt(2 * math.pi) * width)
    np.testing.assert_allclose(found_R, expected, atol=1e-10)


def two_bells(x: Tensor, lower: Tensor) -> Tensor:
    """Narrow ones at -1 and 1; the second is lower by so many nats."""
    return torch.logaddexp(
        bell(x, rows(-1.0), rows(1e-3)), bell(x, rows(1.0), rows(1e-3)) - lower
    )


def test_a_second_mode_counts_by_its_height() -> None:
    lower_R = rows(0.0, 3.0, 30.0, 100.0)
    edges_RE = rows(-2.0, -1.0, 0.0, 1.0, 2.0).expand(4, -1)
    area = math.log(math.sqrt(2 * math.pi) * 1e-3)
    expected_R = area + torch.log1p((-lower_R).exp())
    found_R = log_integral(two_bells, edges_RE, lower_R)
    torch.testing.assert_close(found_R, expected_R, rtol=0, atol=1e-11)


def rough(x: Tensor, height: Tensor) -> Tensor:
    """It rises without end of detail: no single panel resolves it."""
    return height * (x + (40 * x).sin() / 40)


def test_panels_are_halved_until_two_rules_agree() -> None:
    height_R = rows(0.0, 3.0, 30.0)
    edges_RE = rows(0.0, 6.0).expand(3, -1)
    found_R = log_integral(rough, edges_RE, height_R)
    cuts = np.linspace(0, 6, 121)
    for height, found in zip(height_R.tolist(), found_R.tolist(), strict=True):

        def value(x: float, height: float = height) -> float:
            return math.exp(height * (x + math.sin(40 * x) / 40 - 6))

        parts = [
            quad(value, *ends, epsrel=1e-12)[0] for ends in itertools.pairwise(cuts)
        ]
        assert found == pytest.approx(6 * height + math.log(sum(parts)), abs=1e-10)


def jump(x: Tensor, at: Tensor) -> Tensor:
    return torch.where(x < at, 0.0, -torch.ones_like(x))


def test_what_never_settles_is_refused() -> None:
    with pytest.raises(ArithmeticError, match="1 integrals do not settle"):
        log_integral(jump, rows(0.0, 1.0).expand(2, -1), rows(0.3, 2.0))


def test_many_integrals_are_those_of_each_alone() -> None:
    """More than a chunk of them, some of which need more panels than others."""
    height_R = torch.linspace(0, 40, 2_500, dtype=torch.float64)
    edges_RE = rows(0.0, 6.0).expand(len(height_R), -1)
    found_R = log_integral(rough, edges_RE, height_R)
    for i in (0, 1_023, 1_024, 2_499):
        alone = log_integral(rough, edges_RE[i : i + 1], height_R[i : i + 1])
        assert float(alone) == pytest.approx(float(found_R[i]), abs=1e-12)


@pytest.mark.parametrize("n_nodes", [1, 5, 30])
def test_a_rule_is_exact_for_polynomials(n_nodes: int) -> None:
    node, weight = unit_legendre(n_nodes)
    for power in range(2 * n_nodes):
        assert weight @ node**power == pytest.approx(1 / (power + 1), abs=1e-14)
