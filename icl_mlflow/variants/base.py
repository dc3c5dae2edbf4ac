"""A variant is data: what it changes of the episodes and the model, and what it asks.

What a variant does not name stays as in the baseline.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Generator, Tensor

from icl_mlflow.episodes import Episodes

Intervention = Callable[[Episodes, Generator], Episodes]
#: Parameter name and value to a mask of the entries held at their start, or None.
Freeze = Callable[[str, Tensor], Tensor | None]
#: Parameter name and initial value to the value training starts from.
Start = Callable[[str, Tensor], Tensor]


def unchanged(episodes: Episodes, _rng: Generator) -> Episodes:
    """Leave the episodes as they are."""
    return episodes


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
        task_parameters: changes of the task, for training and evaluation alike.
        context_factor: context points of data and model, as a multiple of ``n_context``.
        table_factor: rows of the position table, as a multiple of what is needed.
    """

    question: str
    on_train: Intervention = unchanged
    on_eval: Intervention = unchanged
    on_init: Start = as_drawn
    frozen: Freeze = nothing_frozen
    embedding: str = "summed"
    task_parameters: Mapping[str, float] = field(default_factory=dict)
    context_factor: int = 1
    table_factor: int = 1
