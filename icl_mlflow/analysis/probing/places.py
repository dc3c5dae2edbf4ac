"""Places in the stream that probes read: after every block, at the tokens of a role."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from icl_mlflow.analysis.mechanism.internals import parts_to_trace, traces
from icl_mlflow.episodes import Episodes
from icl_mlflow.models import Architecture, Edit, Site, Transformer
from icl_mlflow.models.interventions import added

#: ``query``: its token. ``context``: the mean over all tokens but the query's.
Role = Literal["query", "context"]


@dataclass(frozen=True)
class Place:
    """The stream after some blocks, at the tokens of a role.

    Attributes:
        layer: how many blocks have been passed.
        role: of the tokens.
    """

    layer: int
    role: Role

    @property
    def stage(self) -> str:
        """``embedding``, ``layer 1`` and so on."""
        return f"layer {self.layer}" if self.layer else "embedding"

    def moved(self, by_BM: Tensor) -> Edit:
        """An edit that moves the stream: every token of the role by the same."""
        site = Site("residual", self.layer)
        if self.role == "query":
            return added(site, by_BM, (slice(None), -1))
        return added(site, by_BM.unsqueeze(1), (slice(None), slice(-1)))


def places(architecture: Architecture) -> tuple[Place, ...]:
    """All places of a model.

    >>> [(one.stage, one.role) for one in places(Architecture(n_layers=1))][1:3]
    [('embedding', 'context'), ('layer 1', 'query')]
    """
    layers = range(architecture.n_layers + 1)
    return tuple(Place(layer, role) for layer in layers for role in get_args(Role))


@torch.no_grad()
def streams(transformer: Transformer, seen: Episodes) -> dict[Place, Tensor]:
    """What stands at every place: (B, M) float64 each, on the CPU."""
    parts: dict[Place, list[Tensor]] = {}
    for trace in traces(transformer, seen):
        for layer, residual_BSM in enumerate(trace.residual_BSM):
            for role, value_BM in _by_role(residual_BSM).items():
                place = Place(layer, role)
                parts.setdefault(place, []).append(value_BM.double().cpu())
    return {place: torch.cat(each) for place, each in parts.items()}


@torch.no_grad()
def raw_features(transformer: Transformer, seen: Episodes) -> dict[Role, Tensor]:
    """What the tokens of a role are made of: (B, F) float64 each, on the CPU."""
    parts: dict[Role, list[Tensor]] = {}
    for part in parts_to_trace(seen):
        features_BSF = transformer.features(
            part.context_x_BND, part.context_y_BN, part.query_x_BD
        )
        for role, value_BF in _by_role(features_BSF).items():
            parts.setdefault(role, []).append(value_BF.double().cpu())
    return {role: torch.cat(each) for role, each in parts.items()}


@torch.no_grad()
def answers(
    transformer: Transformer, seen: Episodes, place: Place, by_BM: Tensor
) -> Tensor:
    """The logits with the stream moved at a place: (B,) float64, nats.

    Args:
        transformer: whose stream is moved.
        seen: what it is asked.
        place: where.
        by_BM: by how much, in each episode.
    """
    weight = next(transformer.parameters())
    found = []
    rest_BM = by_BM.to(weight)
    for part in parts_to_trace(seen):
        here_BM, rest_BM = rest_BM[: len(part)], rest_BM[len(part) :]
        trace = transformer.trace(
            part.context_x_BND,
            part.context_y_BN,
            part.query_x_BD,
            edit=place.moved(here_BM),
        )
        found.append(trace.logit_B.double().cpu())
    return torch.cat(found)


def _by_role(value_BSM: Tensor) -> Mapping[Role, Tensor]:
    context_BSM = value_BSM[:, :-1]
    return {"query": value_BSM[:, -1], "context": context_BSM.mean(1)}
