"""A model's answers with one component at a time taken out: heads, MLPs, blocks.

What a component writes, at every token, is replaced by

    zero        nothing, as published of heads with arXiv 2603.10573;
    mean        its mean over episodes, token by token: what is left is what it always
                says, so only what it says of this episode is lost;
    resample    what it says on another episode: an output that the model knows.

Zero can throw the model off distribution and so overstates; the other two do not. Of a
head it is its output before the output projection; of a block, what its attention and
its MLP add to the stream, so its norms stay.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from icl_mlflow.analysis.base import Subject
from icl_mlflow.analysis.mechanism.internals import parts_to_trace, transformer_of
from icl_mlflow.episodes import Episodes
from icl_mlflow.models import Architecture, Site, Transformer
from icl_mlflow.models.embedding import Parameters
from icl_mlflow.models.forward import logits_from_heads, logits_from_writes
from icl_mlflow.models.sites import Quantity

#: What a block's answers are computed from: weights, index and the stream before it.
_Block = tuple[Parameters, Architecture, int, Tensor]
#: The kinds of components; a layer is its attention and its MLP.
HEAD, MLP, LAYER = "head", "MLP", "layer"
_WRITES: tuple[Quantity, ...] = ("head_output", "attention_output", "mlp_output")


@dataclass(frozen=True)
class Place:
    """Which answer it is.

    Attributes:
        way: in which something is replaced; empty where nothing is.
        component: the kind of what is replaced, or what the answer is computed from.
        layer: the block, from 1.
        head: from 1; 0 for what is no head.
    """

    way: str
    component: str
    layer: int
    head: int = 0

    @property
    def whole(self) -> "Place":
        """The place of the answer of the whole model that this one compares with."""
        component = HEAD if self.component == HEAD else MLP
        return Place("", component, self.layer)


@dataclass(frozen=True)
class _Said:
    """What is written at one site, first axis B.

    Attributes:
        here: on these episodes.
        before: on the episode before each of them.
        mean: over all episodes, without the first axis.
    """

    here: Tensor
    before: Tensor
    mean: Tensor


#: What is put in the place of what a component has said.
WAYS: Mapping[str, Callable[[_Said], Tensor]] = {
    "zero": lambda said: torch.zeros_like(said.here),
    "mean": lambda said: said.mean.expand_as(said.here),
    # Episodes are independent of each other: the one before is a random other one.
    "resample": lambda said: said.before,
}


def answers(subject: Subject, n_episodes: int) -> dict[Place, Tensor]:
    """The log-odds at every place, and of the whole model beside them: (B,) float64.

    The whole model's answer is computed by the same steps as those beside it: so what
    changes nothing differs by nothing.
    """
    parts: dict[Place, list[Tensor]] = {}
    for place, logit_B in _chunks(subject, n_episodes):
        parts.setdefault(place, []).append(logit_B.double().cpu())
    return {place: torch.cat(each) for place, each in parts.items()}


@torch.no_grad()
def _chunks(subject: Subject, n_episodes: int) -> Iterator[tuple[Place, Tensor]]:
    """The logits of one chunk at each place, for all chunks."""
    transformer = transformer_of(subject)
    seen = subject.truth.seen.rows(0, n_episodes)
    means, last = _means_and_last(transformer, seen)
    for at in _values(transformer, seen):
        said = {}
        for site, here in at.items():
            if site.quantity != "residual":
                before = torch.cat([last[site], here[:-1]])
                last[site] = here[-1:]
                said[site] = _Said(here=here, before=before, mean=means[site])
        for layer in range(transformer.architecture.n_layers):
            stream_BSM = at[Site("residual", layer)]
            of_layer = {s.quantity: one for s, one in said.items() if s.layer == layer}
            yield from _of_layer(transformer, layer, stream_BSM, of_layer)


def _of_layer(
    transformer: Transformer,
    layer: int,
    stream_BSM: Tensor,
    said: Mapping[Quantity, _Said],
) -> Iterator[tuple[Place, Tensor]]:
    """The logits with each component of one block replaced in each way."""
    parameters = dict(transformer.named_parameters())
    block = parameters, transformer.architecture, layer, stream_BSM
    for way, head, output_BHSK in _heads_replaced(said["head_output"]):
        yield Place(way, HEAD, layer + 1, head), logits_from_heads(*block, output_BHSK)
    attention, mlp = said["attention_output"], said["mlp_output"]
    whole_B = _written(block, attention.here, mlp.here)
    yield Place("", MLP, layer + 1), whole_B
    for way, replacement in WAYS.items():
        by_BSM = replacement(mlp)
        without_B = _written(block, attention.here, by_BSM)
        yield Place(way, MLP, layer + 1), without_B
        without_B = _written(block, replacement(attention), by_BSM)
        yield Place(way, LAYER, layer + 1), without_B


def _written(block: _Block, attention_BSM: Tensor, mlp_BSM: Tensor) -> Tensor:
    return logits_from_writes(*block, attention_BSM=attention_BSM, mlp_BSM=mlp_BSM)


def _heads_replaced(said: _Said) -> Iterator[tuple[str, int, Tensor]]:
    """Way and head (from 1) with the outputs of all heads; first, as they are."""
    yield "", 0, said.here
    for way, replacement in WAYS.items():
        replaced_BHSK = replacement(said)
        for head in range(said.here.shape[1]):
            output_BHSK = said.here.clone()
            output_BHSK[:, head] = replaced_BHSK[:, head]
            yield way, head + 1, output_BHSK


def _values(transformer: Transformer, seen: Episodes) -> Iterator[dict[Site, Tensor]]:
    """What is written in every block, and the streams, on consecutive chunks."""
    for part in parts_to_trace(seen):
        at: dict[Site, Tensor] = {}

        def note(site: Site, value: Tensor, at: dict[Site, Tensor] = at) -> Tensor:
            if site.quantity == "residual" or site.quantity in _WRITES:
                at[site] = value
            return value

        transformer.trace(part.context_x_BND, part.context_y_BN, part.query_x_BD, note)
        yield at


def _means_and_last(
    transformer: Transformer, seen: Episodes
) -> tuple[dict[Site, Tensor], dict[Site, Tensor]]:
    """What is written at each site on average, and on the last episode (1, ...)."""
    totals: dict[Site, Tensor] = {}
    last: dict[Site, Tensor] = {}
    for at in _values(transformer, seen):
        for site, value in at.items():
            if site.quantity != "residual":
                total = value.sum(0)
                totals[site] = totals[site] + total if site in totals else total
                last[site] = value[-1:].clone()
    return {site: total / len(seen) for site, total in totals.items()}, last
