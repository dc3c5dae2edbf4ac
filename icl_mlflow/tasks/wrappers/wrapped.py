"""Put a task into its wrappers: a pool first, then the prior of the classes."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from icl_mlflow.tasks.base import NotKnownError, Task
from icl_mlflow.tasks.wrappers.class_prior import ClassPrior
from icl_mlflow.tasks.wrappers.finite_pool import FinitePool
from icl_mlflow.tasks.wrappers.wrapping import WRAPPER_PARAMETERS, Wrapping

#: What each wrapper needs of a task.
_NEEDED = {
    "prior": ("draw_latents", "draw_points"),
    "pool": ("draw_latents", "draw_points", "log_likelihood"),
}


def rewrapped(task: Task, changes: Mapping[str, float]) -> Task:
    """The task with other parameters, its own and those of its wrappers.

    Equal parameters give equal tasks, however they came about: one without any wrapper
    is the plain task again.

    Raises:
        NotKnownError: the task lacks what a wrapper needs of it.
        ValueError: a value out of range.
    """
    own = {k: v for k, v in changes.items() if k not in WRAPPER_PARAMETERS}
    around: dict[str, Any] = {k: v for k, v in changes.items() if k not in own}
    return wrapped(replace(task.core, **own), replace(task.wrapping, **around))


def wrapped(task: Task, wrapping: Wrapping) -> Task:
    """A plain task in the wrappers that are asked for.

    Raises:
        NotKnownError: the task lacks what a wrapper needs of it.
    """
    found = task
    if wrapping.pool:
        _check(task, "pool")
        found = FinitePool(found, wrapping.pool, wrapping.pool_seed)
    if not wrapping.has_fair_labels:
        _check(task, "prior")
        found = ClassPrior(found, wrapping.prior, wrapping.prior_concentration)
    return found


def lacks(task: Task, wrapper: str) -> list[str]:
    """What a plain task would have to have for a wrapper, and has not.

    Args:
        task: without wrappers.
        wrapper: ``pool`` or ``prior``.
    """
    return [n for n in _NEEDED[wrapper] if getattr(type(task), n) is getattr(Task, n)]


def _check(task: Task, wrapper: str) -> None:
    missing = lacks(task, wrapper)
    if missing:
        raise NotKnownError(
            f"{type(task).__name__} takes no {wrapper}: it has no {', '.join(missing)}"
        )
