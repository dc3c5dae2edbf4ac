"""Directions are drawn with the density that they come with."""

import math

import pytest
import torch
from torch import Generator

from icl_mlflow.tasks.integrals.sphere import directions

N_DRAWS = 40_000


@pytest.mark.parametrize("dim", [2, 5])
@pytest.mark.parametrize("stretch", [0.0, 4.0])
def test_weighted_by_density_they_are_uniform(dim: int, stretch: float) -> None:
    rng = Generator().manual_seed(0)
    root_DD = torch.randn(dim, dim, generator=rng, dtype=torch.float64)
    quadratic_DD = stretch * root_DD @ root_DD.T
    unit_BPD, log_density_BP = directions(quadratic_DD[None], N_DRAWS, rng)
    torch.testing.assert_close(
        unit_BPD.norm(dim=-1), torch.ones(1, N_DRAWS, dtype=torch.float64)
    )
    weight_P = (-log_density_BP[0]).exp()
    error = float(weight_P.std()) / math.sqrt(N_DRAWS)
    # The density integrates to one, and every axis has the mean square 1 / D.
    assert float(weight_P.mean()) == pytest.approx(1.0, abs=3 * error + 1e-12)
    square_PD = weight_P[:, None] * unit_BPD[0].square()
    errors_D = square_PD.std(0) / math.sqrt(N_DRAWS)
    assert ((square_PD.mean(0) - 1 / dim).abs() < 4 * errors_D).all()


def test_they_are_denser_where_the_form_is_large() -> None:
    quadratic_DD = torch.diag(torch.tensor([30.0, 0.0, 0.0], dtype=torch.float64))
    # Bingham's own mean square along the axis, by quadrature: on the ordinary sphere
    # the height z is uniform where the form is flat.
    z = torch.linspace(-1, 1, 20_001, dtype=torch.float64)
    density = (15 * z.square()).exp()
    expected = float((z.square() * density).sum() / density.sum())
    unit_BPD, log_q_BP = directions(
        quadratic_DD[None], N_DRAWS, Generator().manual_seed(1)
    )
    weight_BP = (15 * unit_BPD[..., 0].square() - log_q_BP).softmax(-1)
    found = float((weight_BP * unit_BPD[..., 0].square()).sum())
    assert found == pytest.approx(expected, abs=0.002)
    # Drawn uniformly, a tenth of the draws would count.
    assert float(1 / weight_BP.square().sum()) > 0.5 * N_DRAWS


def test_on_a_line_there_are_two_directions() -> None:
    form_BDD = torch.ones(1, 1, 1, dtype=torch.float64)
    unit_BPD, log_density_BP = directions(form_BDD, 50, Generator().manual_seed(0))
    assert set(unit_BPD.flatten().tolist()) == {-1.0, 1.0}
    torch.testing.assert_close(log_density_BP, torch.zeros_like(log_density_BP))
