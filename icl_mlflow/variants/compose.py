"""Combinations of variants that do not contradict each other.

Two parts contradict each other when both change the same thing. What a part changes is
read off the part itself: its fields, its interventions, its embedding, and the entries
of a small model's parameters that it sets or holds.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import combinations

import torch
from torch import Generator, Tensor

from icl_mlflow.episodes import Episodes
from icl_mlflow.models import EMBEDDINGS, Architecture, Transformer
from icl_mlflow.variants.base import Intervention, Variant

_BASELINE = Variant(question="")

#: What a variant has at most one of, whatever its parts.
_FIELDS = (
    *("embedding", "query_hidden", "norm", "attention", "family"),
    *("context_factor", "table_factor"),
)


def compose(parts: Mapping[str, Variant]) -> Variant:
    """All parts at once, applied in the order given.

    Args:
        parts: by name, two or more.

    Raises:
        ValueError: a part that changes nothing, or two that change the same thing.
    """
    for name, part in parts.items():
        if _changes_nothing(part):
            raise ValueError(f"{name} changes nothing, so there is nothing to combine")
    for (first, one), (second, other) in combinations(parts.items(), 2):
        shared = _shared_changes(one, other)
        if shared:
            raise ValueError(
                f"{first} and {second} contradict each other: both change {shared[0]}"
            )
    return _merged(tuple(parts.values()))


def reads_labels(embedding: str) -> bool:
    """Whether the tokens of this embedding depend on the context's labels."""
    x_BND, query_BD = torch.zeros(1, 1, 1), torch.zeros(1, 1)
    label_BN = torch.zeros(1, 1, dtype=torch.int64)
    features = EMBEDDINGS[embedding].features
    without = features(x_BND, label_BN, query_BD)
    return not torch.equal(without, features(x_BND, label_BN + 1, query_BD))


def _changes_nothing(part: Variant) -> bool:
    return part == Variant(question=part.question)


def _shared_changes(one: Variant, other: Variant) -> list[str]:
    """What both change, by name."""
    settings = sorted(_changed_settings(one) & _changed_settings(other))
    if settings:
        return settings
    embedding = _merged_embedding((one, other))
    in_one, in_other = (_changed_entries(part, embedding) for part in (one, other))
    return [name for name in in_one if (in_one[name] & in_other[name]).any()]


def _changed_settings(part: Variant) -> set[str]:
    """What a part changes outside the weights."""
    aspects = part.on_train.changes | part.on_eval.changes
    found = {f"the {aspect}" for aspect in aspects} | set(part.task_parameters)
    if not reads_labels(part.embedding):
        found.add("the labels")
    if part.family != _BASELINE.family:  # it has nothing of what these change
        found |= {"embedding", "query_hidden", "norm", "attention"}
    for name in _FIELDS:
        if getattr(part, name) != getattr(_BASELINE, name):
            found.add(name)
    return found


def _changed_entries(part: Variant, embedding: str) -> dict[str, Tensor]:
    """The entries that a part sets or holds, in the smallest model: masks by name."""
    smallest = Architecture(
        dim=1, positions=1, d_model=1, n_layers=1, n_heads=1, embedding=embedding
    )
    masks = {}
    for name, initial in Transformer.layout(smallest).items():
        value = torch.ones(initial.shape)
        if part.family != _BASELINE.family:  # none of these entries is left
            masks[name] = torch.ones_like(value, dtype=torch.bool)
            continue
        held = part.frozen(name, value)
        is_set = part.on_init(name, value) != value
        masks[name] = is_set if held is None else is_set | held
    return masks


def _merged_embedding(parts: Sequence[Variant]) -> str:
    """The one embedding that is not the baseline's, if there is one."""
    return _merged_field(parts, "embedding")


def _merged_field(parts: Sequence[Variant], name: str) -> str:
    """The one value that is not the baseline's, if there is one."""
    usual: str = getattr(_BASELINE, name)
    changed = [getattr(p, name) for p in parts if getattr(p, name) != usual]
    return changed[0] if changed else usual


def _merged(parts: Sequence[Variant]) -> Variant:
    def on_init(name: str, value: Tensor) -> Tensor:
        for part in parts:
            value = part.on_init(name, value)
        return value

    def frozen(name: str, value: Tensor) -> Tensor | None:
        masks = [part.frozen(name, value) for part in parts]
        given = [mask for mask in masks if mask is not None]
        return torch.stack(given).any(0) if given else None

    task_parameters: dict[str, float] = {}
    for part in parts:
        task_parameters |= part.task_parameters
    return Variant(
        question="At once: " + " ".join(part.question for part in parts),
        on_train=_in_turn([part.on_train for part in parts]),
        on_eval=_in_turn([part.on_eval for part in parts]),
        on_init=on_init,
        frozen=frozen,
        embedding=_merged_embedding(parts),
        query_hidden=any(part.query_hidden for part in parts),
        norm=_merged_field(parts, "norm"),
        attention=_merged_field(parts, "attention"),
        family=_merged_field(parts, "family"),
        task_parameters=task_parameters,
        context_factor=math.prod(part.context_factor for part in parts),
        table_factor=math.prod(part.table_factor for part in parts),
    )


def _in_turn(interventions: Sequence[Intervention]) -> Intervention:
    """Interventions applied one after the other, on the same random numbers."""
    effective = [i for i in interventions if i.changes]
    if not effective:
        return _BASELINE.on_train

    # Parts that both change labels have been refused, so at most one hides any.
    hiding = [i.known for i in effective if i.known is not None]

    def apply(episodes: Episodes, rng: Generator) -> Episodes:
        for intervention in effective:
            episodes = intervention(episodes, rng)
        return episodes

    return Intervention(
        does=", then ".join(i.does for i in effective),
        changes=frozenset().union(*(i.changes for i in effective)),
        apply=apply,
        known=hiding[0] if hiding else None,
    )
