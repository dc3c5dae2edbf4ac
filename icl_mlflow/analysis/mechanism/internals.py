"""Access to a model's internals: its trace, in chunks of bounded size."""

from collections.abc import Iterator
from typing import cast

import torch

from icl_mlflow.analysis.base import Subject
from icl_mlflow.episodes import Episodes
from icl_mlflow.models import Trace, Transformer
from icl_mlflow.training.problem import initial_model

#: Points traced at once, 256 episodes of the paper's, and the largest number of pairs
#: of points: of each pair there is an attention weight, in every head and layer.
_POINTS = 256 * 33
_PAIRS = 2**22


def transformer_of(subject: Subject) -> Transformer:
    """The transformer of a subject.

    Raises:
        ValueError: a stand-in that has none.
    """
    if subject.transformer is None:
        raise ValueError(no_internals(subject))
    return subject.transformer


def untrained(subject: Subject) -> Transformer:
    """The transformer of a subject as it was before training.

    Raises:
        ValueError: as for `transformer_of`.
    """
    here = transformer_of(subject).device
    return cast("Transformer", initial_model(subject.settings)).to(here)


def no_internals(subject: Subject) -> str | None:
    """Why a subject cannot be looked into, in one line, or None."""
    if subject.transformer is not None:
        return None
    a = None if subject.model is None else subject.model.architecture
    if a is None or a.is_published or a.family != "transformer":
        return f"{subject.name} is not a transformer: it has no layers to look into"
    return (
        f"{subject.name} has norm={a.norm} and attention={a.attention}: its blocks are "
        "not the post-LN ones with softmax attention that this looks into"
    )


def parts_to_trace(episodes: Episodes) -> Iterator[Episodes]:
    """Consecutive parts of which all internals fit into little memory."""
    return episodes.chunks(min(_POINTS, _PAIRS // (episodes.n_context + 1)))


@torch.no_grad()
def traces(transformer: Transformer, episodes: Episodes) -> Iterator[Trace]:
    """The traces of a model on consecutive chunks of episodes."""
    for part in parts_to_trace(episodes):
        yield transformer.trace(part.context_x_BND, part.context_y_BN, part.query_x_BD)
