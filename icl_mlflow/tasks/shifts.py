"""Named shifts of a task, and the task under each of them.

A shift changes parameters of the task: ``out_of_distribution`` is task A at tau = 9.
"""

from icl_mlflow.tasks.base import T, Task, with_parameters
from icl_mlflow.tasks.offered import canonical_names, listed


def canonical(task: Task, name: str) -> str:
    """The one spelling of a choice of shifts: ``none``, or names joined by a plus.

    >>> from icl_mlflow.tasks import TASKS
    >>> canonical(TASKS["A"], "all")
    'no_nuisance+out_of_distribution'

    Raises:
        ValueError: a name that the task does not offer, or one twice.
    """
    return canonical_names(task.shifts, name, "shift")


def shifted(task: T, name: str) -> dict[str, T]:
    """The task under each of the chosen shifts.

    >>> from icl_mlflow.tasks import TASKS
    >>> shifted(TASKS["A"], "out_of_distribution")["out_of_distribution"].tau
    9.0

    Raises:
        ValueError: as `canonical`.
    """
    return {
        each: with_parameters(task, task.shifts[each])
        for each in listed(canonical(task, name))
    }
