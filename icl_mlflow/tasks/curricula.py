"""Curricula: the easier beginnings of a task, and the task at some progress.

A curriculum multiplies parameters of the task by a factor at first, which then moves in
a straight line to 1: with ``{"tau": 0.0}`` the nuisance grows from nothing, with
``{"separation": 3.0}`` the classes start three times as far apart.
"""

from collections.abc import Mapping
from dataclasses import fields

from icl_mlflow.tasks.base import T, Task, parameters, with_parameters
from icl_mlflow.tasks.offered import canonical_names, listed


def canonical(task: Task, name: str) -> str:
    """The one spelling of a choice of curricula: ``none``, or names joined by a plus.

    >>> from icl_mlflow.tasks import TASKS
    >>> canonical(TASKS["A"], "separation+nuisance")
    'nuisance+separation'
    >>> canonical(TASKS["B"], "all")
    'none'

    Raises:
        ValueError: a name that the task does not offer, or one twice.
    """
    return canonical_names(task.curricula, name, "curriculum")


def factors(task: Task, name: str) -> dict[str, float]:
    """The factor of each parameter at the very beginning of the curricula.

    Raises:
        ValueError: as `canonical`.
    """
    found: dict[str, float] = {}
    for each in listed(canonical(task, name)):
        found |= task.curricula[each]
    return found


def eased(task: T, start: Mapping[str, float], progress: float) -> T:
    """The task at some progress through a curriculum.

    Nothing goes beyond what the parameter may be at most.

    Args:
        task: as it is to be at the end.
        start: from `factors`.
        progress: 0 at the beginning; the task is as given from 1 on.

    >>> from icl_mlflow.tasks import TASKS
    >>> eased(TASKS["A"], {"tau": 0.0}, 0.5).tau
    1.5
    """
    if not start or progress >= 1:
        return task
    own = parameters(task)
    most = {field.name: field.metadata["maximum"] for field in fields(task.core)}
    changes = {}
    for name, factor in start.items():
        eased_value = own[name] * (factor + (1 - factor) * progress)
        largest = most.get(name)
        changes[name] = eased_value if largest is None else min(eased_value, largest)
    return with_parameters(task, changes)
