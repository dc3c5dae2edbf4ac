"""Activation patching: what a part says on the source episode, put into the target's.

Both episodes of a pair go through the whole model. Then the target is computed again,
from the block of the part on, with the source's numbers in the part's place. So where
both episodes are the same, nothing at all changes, and the whole stream of the source
brings the source's answer, to the bit.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from icl_mlflow.models.architecture import Architecture
from icl_mlflow.models.embedding import Parameters
from icl_mlflow.models.sites import BY_HEAD, Quantity, Site
from icl_mlflow.models.trace import compute, compute_from

#: Quantities whose first axes are heads and tokens, in this order.
_HEADS_FIRST: frozenset[Quantity] = BY_HEAD | {"score", "pattern"}


@dataclass(frozen=True, eq=False)
class Patch:
    """A part of a run: one site, of one head or all of them, at some of the tokens.

    Attributes:
        site: where.
        head: from 0, at sites that have heads; all of them if not given.
        tokens_BS: at which tokens of each episode; at all of them if not given.
    """

    site: Site
    head: int | None = None
    tokens_BS: Tensor | None = None

    def mask(self, value: Tensor) -> Tensor:
        """True in the part, in a shape that broadcasts to the site's ``value``."""
        mask = torch.ones((1,) * value.ndim, dtype=torch.bool, device=value.device)
        by_head = self.site.quantity in _HEADS_FIRST
        if self.tokens_BS is not None:
            tokens_BS1 = self.tokens_BS.to(value.device).unsqueeze(-1)
            mask = mask & (tokens_BS1.unsqueeze(1) if by_head else tokens_BS1)
        if self.head is not None:
            heads_H = torch.arange(value.shape[1], device=value.device) == self.head
            mask = mask & heads_H.view(1, -1, 1, 1)
        return mask

    def put(self, source: Tensor, value: Tensor) -> Tensor:
        """``value`` with the part of ``source`` in its place."""
        return torch.where(self.mask(value), source, value)


class PairedRun:
    """A model's computation of target and source episodes, side by side.

    Attributes:
        target: by site, what the model computed of the targets.
        source: by site, what it computed of the sources.
        target_logit_B: log-odds of the targets' y_q = 1, in nats.
        source_logit_B: of the sources'.

    Args:
        parameters: by the names of the published checkpoints.
        architecture: what they were built for.
        target_BSF: `Embedding.features` of the episodes that are patched.
        source_BSF: of as many others, from which the patches come.

    Raises:
        ValueError: targets and sources of different shapes.
    """

    def __init__(
        self,
        parameters: Parameters,
        architecture: Architecture,
        target_BSF: Tensor,
        source_BSF: Tensor,
    ) -> None:
        if target_BSF.shape != source_BSF.shape:
            raise ValueError(
                "targets and sources must be as many episodes of as many points, not "
                f"{tuple(target_BSF.shape[:2])} and {tuple(source_BSF.shape[:2])} "
                "(episodes, tokens)"
            )
        self.parameters, self.architecture = parameters, architecture
        self.target, self.target_logit_B = self._values(target_BSF)
        self.source, self.source_logit_B = self._values(source_BSF)

    def patched(
        self, patches: Sequence[Patch], seen: dict[Site, Tensor] | None = None
    ) -> Tensor:
        """Log-odds of the targets with all of these parts from the sources: (B,).

        Args:
            patches: the parts.
            seen: is filled with what is computed, by site, if given.
        """

        def edit(site: Site, value: Tensor) -> Tensor:
            for patch in patches:
                if patch.site == site:
                    value = patch.put(self.source[site], value)
            if seen is not None:
                seen[site] = value
            return value

        depth = min(patch.site.layer for patch in patches)
        stream_BSM = self.target[Site("residual", depth)]
        return compute_from(self.parameters, self.architecture, depth, stream_BSM, edit)

    def _values(self, features_BSF: Tensor) -> tuple[dict[Site, Tensor], Tensor]:
        values: dict[Site, Tensor] = {}

        def note(site: Site, value: Tensor) -> Tensor:
            values[site] = value
            return value

        logit_B = compute(self.parameters, self.architecture, features_BSF, note)
        return values, logit_B
