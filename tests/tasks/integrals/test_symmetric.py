"""Elementary symmetric polynomials are the sums of products that they are named for."""

import itertools
import math

import numpy as np
import pytest
import torch

from icl_mlflow.tasks.integrals.symmetric import log_elementary_symmetric


@pytest.mark.parametrize("dim", [1, 3, 7])
def test_they_are_sums_of_products(dim: int) -> None:
    value_BD = np.random.default_rng(0).uniform(0.1, 5, (4, dim))
    for degree in range(dim + 1):
        expected = [
            sum(math.prod(each) for each in itertools.combinations(row, degree))
            for row in value_BD
        ]
        found = log_elementary_symmetric(torch.from_numpy(value_BD).log(), degree)
        np.testing.assert_allclose(found.exp(), expected, rtol=1e-13)


def test_large_values_do_not_overflow() -> None:
    log_value_BD = torch.full((1, 40), 900.0, dtype=torch.float64)
    found = log_elementary_symmetric(log_value_BD, 3)
    assert float(found) == pytest.approx(2_700 + math.log(math.comb(40, 3)), rel=1e-14)
