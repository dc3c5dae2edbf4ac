"""A variant is data: what it changes of the episodes and the model, and what it asks.

What a variant does not name stays as in the baseline.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from icl_mlflow.episodes import Episodes
    from icl_mlflow.tasks.labels import KnownLabels

#: What an intervention can change of a context: its labels, or the order of its pairs.
Aspect = Literal["labels", "order"]
#: Parameter name and value to a mask of the entries held at their start, or None.
Freeze = Callable[[str, "Tensor"], "Tensor | None"]
#: Parameter name and initial value to the value training starts from.
Start = Callable[[str, "Tensor"], "Tensor"]


@dataclass(frozen=True, kw_only=True)
class Intervention:
    """A change of the episodes that a model is shown; called like a function.

    Attributes:
        does: what it does, in a few words.
        changes: what of the context it changes.
        apply: the change itself; its random numbers come from the generator alone.
        known: what the changed episodes still tell of the labels as they were drawn;
            None where they tell all.
    """

    does: str
    changes: frozenset[Aspect]
    apply: Callable[[Episodes, Generator], Episodes]
    known: Callable[[Episodes], KnownLabels] | None = None

    def __call__(self, episodes: Episodes, rng: Generator) -> Episodes:
        """The episodes as the model is to see them."""
        return self.apply(episodes, rng)


def _as_they_are(episodes: Episodes, _rng: Generator) -> Episodes:
    return episodes


#: Show the episodes as they were drawn.
unchanged = Intervention(does="as drawn", changes=frozenset(), apply=_as_they_are)


def nothing_frozen(_name: str, _value: Tensor) -> Tensor | None:
    """Leave every entry free to train."""
    return None


def as_drawn(_name: str, value: Tensor) -> Tensor:
    """Leave the initial value as it is."""
    return value


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One row of the ablation table.

    Attributes:
        question: what training it answers, in one sentence.
        on_train: what is done to training episodes before the model sees them.
        on_eval: what is done to evaluation episodes before the model sees them.
        on_init: what is done to the initial weights.
        frozen: which entries of which parameters never move.
        embedding: how episodes become tokens.
        query_hidden: whether the context's tokens attend to each other alone.
        norm, attention, family: of the architecture, see
            `icl_mlflow.models.Architecture`.
        task_parameters: changes of the task, for training and evaluation alike.
        context_factor: context points of every episode, as a multiple of ``n_context``.
        table_factor: context points that the position table has room for, as a multiple
            of ``n_context``.

    Raises:
        ValueError: a position table too short for the context.
    """

    question: str
    on_train: Intervention = unchanged
    on_eval: Intervention = unchanged
    on_init: Start = as_drawn
    frozen: Freeze = nothing_frozen
    embedding: str = "summed"
    query_hidden: bool = False
    norm: str = "post"
    attention: str = "softmax"
    family: str = "transformer"
    task_parameters: Mapping[str, float] = field(default_factory=dict)
    context_factor: int = 1
    table_factor: int = 1

    def __post_init__(self) -> None:
        if self.table_factor < self.context_factor:
            raise ValueError(
                f"table_factor={self.table_factor} leaves no room for "
                f"context_factor={self.context_factor}"
            )
