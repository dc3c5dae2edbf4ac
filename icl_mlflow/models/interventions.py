"""Interventions on a model's internal quantities, to be composed.

Each is an edit of one site for `Transformer.trace` and `Transformer.run_with_cache`. A
part of the quantity is chosen by an index, such as ``(slice(None), 2)`` for the third
head of `head_output`, or ``(slice(None), -1)`` for the query's token of a stream.
"""

from collections.abc import Callable
from types import EllipsisType

from torch import Tensor

from icl_mlflow.models.sites import Site
from icl_mlflow.models.trace import Edit

#: What may stand in brackets behind a tensor of the site's shape.
Index = (
    EllipsisType
    | int
    | slice
    | Tensor
    | tuple[EllipsisType | int | slice | Tensor, ...]
)


def changed(site: Site, change: Callable[[Tensor], Tensor], part: Index = ...) -> Edit:
    """An edit that puts a function of a part in its place."""

    def edit(here: Site, value: Tensor) -> Tensor:
        if here != site:
            return value
        edited = value.clone()
        edited[part] = change(value[part])
        return edited

    return edit


def replaced(site: Site, by: Tensor, part: Index = ...) -> Edit:
    """An edit that puts given numbers in a part's place.

    Patching, where they are what the same model has there on other episodes.

    Args:
        site: where.
        by: of the part's shape, or one that broadcasts to it.
        part: which part.
    """
    return changed(site, by.expand_as, part)


def zeroed(site: Site, part: Index = ...) -> Edit:
    """An edit that makes a part 0."""
    return changed(site, lambda value: value * 0, part)


def averaged(site: Site, part: Index = ...) -> Edit:
    """An edit that puts a part's mean over the episodes asked about in its place."""
    return changed(
        site, lambda value: value.mean(0, keepdim=True).expand_as(value), part
    )


def added(site: Site, amount: Tensor, part: Index = ...) -> Edit:
    """An edit that adds to a part."""
    return changed(site, lambda value: value + amount, part)


def composed(*edits: Edit) -> Edit:
    """All of these edits, one after the other at each site."""

    def edit(site: Site, value: Tensor) -> Tensor:
        for each in edits:
            value = each(site, value)
        return value

    return edit
