"""Attention between points by their roles, and what the query's attention goes by.

All of it is found episode by episode, for every head of a layer at once.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from icl_mlflow.episodes import Episodes

#: In the place of attention that is 0, before its logarithm.
_TINY = 1e-30
#: Log attention that differs by less is the same but for rounding.
_EVEN = 1e-5


def by_point(pattern_BHSS: Tensor, per_point: int) -> Tensor:
    """Attention between points, the query last: (B, H, P, P), P = N + 1.

    Of a point's tokens as readers the mean, as what is read the sum.
    """
    n_episodes, n_heads, n_tokens, _ = pattern_BHSS.shape
    n_context = (n_tokens - 1) // per_point
    shape = (n_episodes, n_heads, n_context, per_point, n_tokens)
    context = pattern_BHSS[..., :-1, :].double().reshape(shape).mean(-2)
    readers = torch.cat([context, pattern_BHSS[..., -1:, :].double()], -2)
    shape = (n_episodes, n_heads, n_context + 1, n_context, per_point)
    read = readers[..., :-1].reshape(shape).sum(-1)
    return torch.cat([read, readers[..., -1:]], -1)


@dataclass(frozen=True)
class Points:
    """What is known of the points of some episodes, all float64 or bool.

    Attributes:
        same_BPP: whether two points, the query the last, have one label.
        closeness_BN: minus the squared distance to the query.
        typicality_BN: minus the squared distance to the mean of the point's class.
    """

    same_BPP: Tensor
    closeness_BN: Tensor
    typicality_BN: Tensor

    @classmethod
    def of(cls, episodes: Episodes) -> "Points":
        """The points of these episodes."""
        x_BND = episodes.context_x_BND.double()
        y_BN = episodes.context_y_BN
        label_BP = torch.cat([y_BN, episodes.query_y_B.unsqueeze(1)], 1)
        alike_BNN = (y_BN.unsqueeze(1) == y_BN.unsqueeze(2)).double()
        mean_BND = alike_BNN @ x_BND / alike_BNN.sum(-1, keepdim=True)
        to_query_BND = x_BND - episodes.query_x_BD.double().unsqueeze(1)
        return cls(
            same_BPP=label_BP.unsqueeze(1) == label_BP.unsqueeze(2),
            closeness_BN=-to_query_BND.square().sum(-1),
            typicality_BN=-(x_BND - mean_BND).square().sum(-1),
        )


def measured(
    attention_BHPP: Tensor, about: Points
) -> Iterator[tuple[str, str, Tensor]]:
    """Reader, quantity and its value for every episode and head: (B, H).

    Args:
        attention_BHPP: of `by_point`.
        about: what is known of the points.
    """
    for name, mask_BPP in _roles(about.same_BPP).items():
        mass_BHP = (attention_BHPP * mask_BPP.unsqueeze(1)).sum(-1)
        yield "query", name, mass_BHP[..., -1]
        yield "context", name, mass_BHP[..., :-1].mean(-1)
    log_BHN = attention_BHPP[..., -1, :-1].clamp_min(_TINY).log()
    same_B1N = about.same_BPP[:, -1, :-1].unsqueeze(1)
    yield "query", "class_contrast", _contrast(log_BHN, same_B1N)
    for name in ("closeness", "typicality"):
        near_B1N = getattr(about, f"{name}_BN").unsqueeze(1)
        yield "query", name, _correlation(log_BHN, near_B1N)


def _roles(same_BPP: Tensor) -> dict[str, Tensor]:
    """Role to whether a point (the last axis) has it for a reader: (B, P, P).

    The query is ``itself`` for no one: that it attends to itself is among ``query``.
    """
    itself_PP = torch.eye(same_BPP.shape[-1], dtype=torch.bool, device=same_BPP.device)
    to_query_PP = torch.zeros_like(itself_PP)
    to_query_PP[:, -1] = True
    others_PP = ~(itself_PP | to_query_PP)
    return {
        "same_class": same_BPP & others_PP,
        "other_class": ~same_BPP & others_PP,
        "itself": (itself_PP & ~to_query_PP).expand_as(same_BPP),
        "query": to_query_PP.expand_as(same_BPP),
    }


def _contrast(log_BHN: Tensor, same_B1N: Tensor) -> Tensor:
    """Log of the mean attention to the one class over the other's: (B, H).

    NaN where the context lacks a class.
    """
    means = []
    for mask_B1N in (same_B1N, ~same_B1N):
        total_BH = log_BHN.masked_fill(~mask_B1N, -torch.inf).logsumexp(-1)
        means.append(total_BH - mask_B1N.sum(-1).double().log())
    return means[0] - means[1]


def _correlation(log_BHN: Tensor, other_B1N: Tensor) -> Tensor:
    """Pearson's r over the points of an episode: (B, H).

    0 where attention is uniform but for rounding, NaN where the other is constant.
    """
    a = log_BHN - log_BHN.mean(-1, keepdim=True)
    b = other_B1N - other_B1N.mean(-1, keepdim=True)
    size = a.norm(dim=-1) * b.norm(dim=-1)
    found: Tensor = ((a * b).sum(-1) / size).where(size > 0, torch.nan)
    is_even_BH = a.abs().amax(-1) < _EVEN
    return found.masked_fill(is_even_BH, 0.0)
