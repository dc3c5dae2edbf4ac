"""Elementary symmetric polynomials, on a logarithmic scale."""

import torch
from torch import Tensor


def log_elementary_symmetric(log_value_BD: Tensor, degree: int) -> Tensor:
    """The log of e_k, the sum of the products of every k of D positive values: (B,).

    By the recursion e_k(v_1 .. v_d) = e_k(v_1 .. v_d-1) + v_d e_k-1(v_1 .. v_d-1), one
    value after another: D k steps in place of (D choose k) terms. All terms are
    positive, so no digits are lost.

    Args:
        log_value_BD: the logs of the values.
        degree: k, from 0 to D.

    >>> values = torch.tensor([[1.0, 2.0, 3.0]]).log()
    >>> [round(float(log_elementary_symmetric(values, k).exp())) for k in range(4)]
    [1, 6, 11, 6]
    """
    n_rows, dim = log_value_BD.shape
    found_BK = log_value_BD.new_full((n_rows, degree + 1), -torch.inf)
    found_BK[:, 0] = 0.0
    for d in range(dim):
        with_it_BK = found_BK[:, :-1] + log_value_BD[:, d : d + 1]
        found_BK[:, 1:] = torch.logaddexp(found_BK[:, 1:], with_it_BK)
    return found_BK[:, degree]
