"""Path patching: what a part says, heard by some of those who read it and no others.

A post-LN block has no road around its norms. What a head writes is read, past the
block's first norm, by the MLP and by the skip connection around it; what leaves the
block, past its second norm, by the next block's queries, keys and values and by the
skip connection around its attention. These are the two *cuts* after a head: whatever
it says goes through either of them whole. So all edges of a cut together are the patch
of the sender itself, to the bit. The effects of single edges do not sum to it.

Source: arXiv 2211.00593 (path patching), for pre-LN models.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from icl_mlflow.models.architecture import Architecture
from icl_mlflow.models.patching.activation import PairedRun, Patch
from icl_mlflow.models.sites import Site
from icl_mlflow.models.trace import compute_from

_ByHead = Literal["query", "key", "value"]
Role = Literal["MLP", "MLP skip", "query", "key", "value", "attention skip"]


@dataclass(frozen=True)
class Reader:
    """Who reads a stream.

    Attributes:
        role: ``MLP`` and ``MLP skip`` read a block's stream after its first norm;
            ``query``, ``key``, ``value`` and ``attention skip`` the one that enters it.
        layer: the block, from 0.
        head: whose query, key or value, from 0.
    """

    role: Role
    layer: int
    head: int | None = None

    @property
    def name(self) -> str:
        """For readers, counted from 1, such as ``2.3 query`` and ``1 MLP``."""
        head = "" if self.head is None else f".{self.head + 1}"
        return f"{self.layer + 1}{head} {self.role}"


def cuts(sender: Site, architecture: Architecture) -> tuple[tuple[Reader, ...], ...]:
    """The cuts after a sender, each with all of its readers; none after the last one.

    Args:
        sender: ``residual``, ``head_output``, ``attention_output`` or ``mlp_output``.
        architecture: of the model.

    Raises:
        ValueError: a site that sends nothing into the stream.

    >>> one = Architecture(n_layers=1)
    >>> [[reader.name for reader in cut] for cut in cuts(Site("head_output", 0), one)]
    [['1 MLP', '1 MLP skip']]
    """
    layer = sender.layer
    if sender.quantity == "residual":
        return _entering(layer, architecture)
    if sender.quantity == "mlp_output":
        return _entering(layer + 1, architecture)
    if sender.quantity in {"head_output", "attention_output"}:
        near = (Reader("MLP", layer), Reader("MLP skip", layer))
        return (near, *_entering(layer + 1, architecture))
    raise ValueError(
        f"{sender.quantity} writes nothing into the stream; senders are: residual, "
        "head_output, attention_output, mlp_output"
    )


def _entering(layer: int, architecture: Architecture) -> tuple[tuple[Reader, ...], ...]:
    """The cut at the stream that enters a block, if there is that block."""
    if layer == architecture.n_layers:
        return ()
    heads = range(architecture.n_heads)
    by_head = [Reader(role, layer, h) for role in get_args(_ByHead) for h in heads]
    return ((*by_head, Reader("attention skip", layer)),)


class Sent:
    """What a sender has said on the source, on its way through the target's run.

    Attributes:
        logit_B: log-odds where every reader hears it: the patch of the sender, (B,).

    Args:
        run: of both episodes.
        sender: the part that speaks.
    """

    def __init__(self, run: PairedRun, sender: Patch) -> None:
        self._run = run
        self._heard: dict[Site, Tensor] = {}
        self.logit_B = run.patched([sender], self._heard)

    def heard_by(self, readers: Collection[Reader]) -> Tensor:
        """Log-odds where only these readers hear it, all others the target: (B,).

        Args:
            readers: of one cut after the sender.

        Raises:
            ValueError: no reader, or readers of different blocks or cuts.
        """
        places = {(one.layer, one.role in {"MLP", "MLP skip"}) for one in readers}
        if len(places) != 1:
            raise ValueError("give one reader at least, all of the same cut")
        ((layer, is_near),) = places
        heads: dict[str, set[int | None]] = {}
        for one in readers:
            if one.role in get_args(_ByHead):
                heads.setdefault(one.role, set()).add(one.head)
        roles = {one.role for one in readers}

        def edit(site: Site, value: Tensor) -> Tensor:
            if site.layer != layer:
                return value
            if is_near:
                said = {"mid_normed": "MLP skip", "hidden_input": "MLP"}
                if site.quantity not in said:
                    return value
                return self._of(site, hears=said[site.quantity] in roles)
            if site.quantity == "residual":
                return self._of(site, hears="attention skip" in roles)
            if site.quantity in get_args(_ByHead):
                return self._mixed(site, heads.get(site.quantity, set()))
            return value

        stream_BSM = self._run.target[Site("residual", layer)]
        return compute_from(
            self._run.parameters, self._run.architecture, layer, stream_BSM, edit
        )

    def _of(self, site: Site, *, hears: bool) -> Tensor:
        return self._heard[site] if hears else self._run.target[site]

    def _mixed(self, site: Site, heads: Collection[int | None]) -> Tensor:
        """Some heads' queries, keys or values of what is said, the target's others."""
        own = self._run.target[site]
        hears_H = [head in heads for head in range(own.shape[1])]
        mask = torch.tensor(hears_H, device=own.device).view(1, -1, 1, 1)
        return torch.where(mask, self._heard[site], own)
