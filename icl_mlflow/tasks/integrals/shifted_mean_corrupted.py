r"""Task A when the context's labels are hidden: the posterior of the query's label.

Write X (N x D) for the N = n + 1 points, query last, s for their signs, T for the sum
of s, and c = tau^2 / (1 + N tau^2). With the shift integrated out, and y = r X mu
the points seen along mu, r the separation,

    log p(X | mu, s) = s . y - c T (sum y) + c r^2 T^2 / 2 + constant.

Given how many labels are 1, T is fixed, and the sum over all labellings of the context
is that of independent labels with log-odds 2 y_i + lambda_i, where lambda_i is what is
known of label i beforehand. It takes N^2 steps, not 2^N. What remains is an average
over mu on the sphere: importance sampling from `directions`, each drawn with its
opposite. It converges to the exact posterior; what remains of chance is stated with
the draws below.

Shape suffixes: P = directions drawn, C = numbers of ones; others as always.
"""

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from icl_mlflow.episodes import Episodes
from icl_mlflow.tasks.integrals.sphere import directions
from icl_mlflow.tasks.integrals.two_means import TwoMeans
from icl_mlflow.tasks.labels import KnownLabels, count_probabilities

#: Pairs of opposite directions an episode. At the paper's size they leave an error of
#: about 0.1 nats in a log-odds, and below 0.002 in mean accuracy and log-loss.
_PAIRS = 512
#: Episodes at once: few enough for the cache.
_CHUNK = 16
#: The log-likelihood along mu is sum log cosh y_i, flatter than the parabola with the
#: same top; half of the parabola draws most efficiently.
_FLATNESS = 0.5


def corrupted_logit(
    tau: float,
    separation: float,
    episodes: Episodes,
    known: KnownLabels,
    rng: Generator,
) -> Tensor:
    """The log-odds of y_q = 1 given the points and what is known of their labels.

    Args:
        tau: standard deviation of the shift.
        separation: half the distance between the means.
        episodes: their context labels are not looked at.
        known: what is known instead.
        rng: draws the directions.

    Returns:
        (B,) float64, nats.
    """
    means = TwoMeans(tau, separation)

    def answer(part: Episodes, seen: KnownLabels) -> Tensor:
        half_BDP, log_density_BP = _proposals(_points(separation, part), seen, rng)
        return _logit(means, half_BDP, log_density_BP, part, seen)

    return _in_chunks(answer, episodes, known, _CHUNK)


def logit_of_directions(
    tau: float,
    separation: float,
    unit_PD: Tensor,
    episodes: Episodes,
    known: KnownLabels,
) -> Tensor:
    """The same, exactly, where mu is one of these directions or of their opposites.

    Args:
        tau: standard deviation of the shift.
        separation: half the distance between the means.
        unit_PD: all that mu may be, equally probable, float64.
        episodes: their context labels are not looked at.
        known: what is known instead.

    Returns:
        (B,) float64, nats.
    """
    means = TwoMeans(tau, separation)

    def answer(part: Episodes, seen: KnownLabels) -> Tensor:
        unit_BDP = unit_PD.t().to(part.query_x_BD.device).expand(len(part), -1, -1)
        log_density_BP = torch.zeros_like(unit_BDP[:, 0])
        return _logit(means, unit_BDP, log_density_BP, part, seen)

    size = max(1, _CHUNK * _PAIRS // len(unit_PD))
    return _in_chunks(answer, episodes, known, size)


def _in_chunks(
    answer: Callable[[Episodes, KnownLabels], Tensor],
    episodes: Episodes,
    known: KnownLabels,
    size: int,
) -> Tensor:
    parts = [
        answer(episodes.rows(start, start + size), known.rows(start, start + size))
        for start in range(0, len(episodes), size)
    ]
    return torch.cat(parts)


def _points(separation: float, episodes: Episodes) -> Tensor:
    """All points, the query last, times the separation: (B, S, D) float64."""
    context_BND = episodes.context_x_BND.double()
    query_B1D = episodes.query_x_BD.double().unsqueeze(1)
    return separation * torch.cat([context_BND, query_B1D], dim=1)


def _logit(
    means: TwoMeans,
    half_BDP: Tensor,
    log_density_BP: Tensor,
    episodes: Episodes,
    known: KnownLabels,
) -> Tensor:
    n_context = episodes.n_context
    c = means.tau**2 / (1 + (n_context + 1) * means.tau**2)
    separation = means.separation
    x_BSD = _points(separation, episodes)
    along_BSP = x_BSD @ half_BDP
    along_BSP = torch.cat([along_BSP, -along_BSP], dim=-1)
    log_density_BP = torch.cat([log_density_BP, log_density_BP], dim=-1)

    # Signs of sum T_c see a common offset as T_c times it; without it nothing is large.
    total_BP = along_BSP.sum(1)
    offset_B1P = along_BSP[:, :-1].sum(1, keepdim=True) / max(n_context, 1)
    log_odds_BNP = 2 * (along_BSP[:, :-1] - offset_B1P) + known.log_odds_BN.unsqueeze(
        -1
    )
    log_cosh_BP = _log_two_cosh(log_odds_BNP / 2).sum(1)
    log_count_BCP = count_probabilities(log_odds_BNP).log()
    ones_C = torch.arange(n_context + 1, dtype=torch.float64, device=x_BSD.device)
    ones_BC1 = ones_C[None, :, None]
    if known.ones_B is not None:
        ones_B11 = known.ones_B[:, None, None]
        log_count_BCP = log_count_BCP.take_along_dim(ones_B11, dim=1)
        ones_BC1 = ones_B11.double()

    def log_joint(query_sign: float) -> Tensor:
        context_BC1 = 2 * ones_BC1 - n_context
        total_BC1 = context_BC1 + query_sign
        by_count_BCP = (
            log_count_BCP
            + context_BC1 * offset_B1P
            - c * total_BC1 * total_BP.unsqueeze(1)
            + c * (separation * total_BC1).square() / 2
        )
        query_BP = query_sign * along_BSP[:, -1]
        weight_BP = by_count_BCP.logsumexp(1) + log_cosh_BP + query_BP - log_density_BP
        return weight_BP.logsumexp(1)

    return log_joint(+1.0) - log_joint(-1.0)


def _proposals(
    x_BSD: Tensor, known: KnownLabels, rng: Generator
) -> tuple[Tensor, Tensor]:
    """Directions (B, D, P) and their log densities (B, P).

    A point whose sign has expectation e pulls mu linearly by e, and, being of either
    sign, stretches its likelihood along itself by 1 - e^2.
    """
    centred_BSD = x_BSD - x_BSD.mean(1, keepdim=True)
    sign_BN = (known.log_odds_BN / 2).tanh()
    unsure_BS1 = torch.ones_like(centred_BSD[..., :1])
    unsure_BS1[:, :-1, 0] = 1 - sign_BN.square()
    stretch_BDD = (centred_BSD * unsure_BS1).transpose(1, 2) @ centred_BSD
    pull_BD = torch.einsum("bn,bnd->bd", sign_BN, centred_BSD[:, :-1])
    length_B11 = pull_BD.norm(dim=-1)[:, None, None].clamp_min(
        torch.finfo(torch.float64).tiny
    )
    pull_BDD = pull_BD.unsqueeze(-1) * pull_BD.unsqueeze(1) / length_B11
    unit_BPD, log_density_BP = directions(
        _FLATNESS * stretch_BDD + pull_BDD, _PAIRS, rng
    )
    return unit_BPD.transpose(1, 2), log_density_BP


def _log_two_cosh(x: Tensor) -> Tensor:
    """The log of e^x + e^-x, without overflow."""
    size = x.abs()
    return size + (-2 * size).exp().log1p()
