"""How does an analysis look inside a model? Through its trace, chunk by chunk."""

from collections.abc import Iterator

import torch

from icl_mlflow.analysis.base import Subject
from icl_mlflow.episodes import Episodes
from icl_mlflow.models import Edit, Trace, Transformer
from icl_mlflow.models.trace import unedited

_CHUNK = 256


def transformer_of(subject: Subject) -> Transformer:
    """The model inside.

    Raises:
        ValueError: a stand-in that has none.
    """
    if subject.transformer is None:
        raise ValueError(no_internals(subject))
    return subject.transformer


def no_internals(subject: Subject) -> str | None:
    """Why a subject cannot be looked into, in one line, or None."""
    if subject.transformer is None:
        return f"{subject.name} is not a transformer: it has no layers to look into"
    return None


@torch.no_grad()
def traces(
    transformer: Transformer, episodes: Episodes, edit: Edit = unedited
) -> Iterator[Trace]:
    """What the model computes on each chunk of episodes, the edit in place."""
    for start in range(0, len(episodes), _CHUNK):
        part = episodes.rows(start, start + _CHUNK)
        yield transformer.trace(
            part.context_x_BND, part.context_y_BN, part.query_x_BD, edit
        )
