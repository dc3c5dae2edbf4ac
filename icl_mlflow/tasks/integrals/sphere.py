"""Random directions, denser where a quadratic form is large."""

import torch
from torch import Generator, Tensor
from torch.nn.functional import normalize

_BISECTIONS = 60


def directions(
    quadratic_BDD: Tensor, n_draws: int, rng: Generator
) -> tuple[Tensor, Tensor]:
    """Draws on the unit sphere from a distribution close to exp(u^T Q u / 2).

    That is Bingham's distribution. The angular central Gaussian with precision
    1 + (lambda_max - lambda_i) / b along the eigenvectors of Q, where b solves
    sum_i 1 / (b + lambda_max - lambda_i) = 1, is its best envelope (Kent, Ganeiber and
    Mardia 2018), easy to draw from, and its density is known.

    Args:
        quadratic_BDD: Q, symmetric, float64.
        n_draws: directions for each Q.
        rng: where they come from.

    Returns:
        Unit vectors (B, P, D), and the logs of their densities with respect to the
        uniform distribution (B, P).
    """
    eigenvalue_BD, axis_BDD = torch.linalg.eigh(quadratic_BDD)
    n_episodes, dim = eigenvalue_BD.shape
    gap_BD = eigenvalue_BD[:, -1:] - eigenvalue_BD
    precision_BD = 1 + gap_BD / _envelope_scale(gap_BD)
    shape = (n_episodes, n_draws, dim)
    normal_BPD = torch.randn(
        shape, generator=rng, dtype=torch.float64, device=rng.device
    )
    normal_BPD = normal_BPD.to(gap_BD.device) / precision_BD.sqrt().unsqueeze(1)
    unit_BPD = normalize(normal_BPD, dim=-1)
    form_BP = (unit_BPD.square() * precision_BD.unsqueeze(1)).sum(-1)
    log_density_BP = (
        precision_BD.log().sum(1, keepdim=True) / 2 - dim / 2 * form_BP.log()
    )
    return unit_BPD @ axis_BDD.transpose(1, 2), log_density_BP


def _envelope_scale(gap_BD: Tensor) -> Tensor:
    """The b in (0, D] with sum_i 1 / (b + gap_i) = 1, by bisection: (B, 1)."""
    low_B1 = torch.zeros_like(gap_BD[:, :1])
    high_B1 = torch.full_like(low_B1, gap_BD.shape[1])
    for _ in range(_BISECTIONS):
        middle_B1 = (low_B1 + high_B1) / 2
        is_low_B1 = (1 / (middle_B1 + gap_BD)).sum(1, keepdim=True) > 1
        low_B1 = middle_B1.where(is_low_B1, low_B1)
        high_B1 = high_B1.where(is_low_B1, middle_B1)
    return high_B1
