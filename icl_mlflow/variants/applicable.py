"""Applicability of variants: a task must have what a variant changes."""

from icl_mlflow.tasks import TASKS
from icl_mlflow.tasks.base import parameters
from icl_mlflow.variants import VARIANTS


def applicable_tasks(variant: str) -> tuple[str, ...]:
    """The names of the tasks for which the variant makes sense.

    >>> applicable_tasks("no_nuisance")
    ('A', 'E')
    """
    changed = VARIANTS[variant].task_parameters.keys()
    tasks = TASKS.working()
    return tuple(name for name in tasks if changed <= parameters(tasks[name]).keys())


def check_applicable(variant: str, task: str) -> None:
    """Refuse a variant that changes what the task does not have.

    Args:
        variant: its name.
        task: its name.

    Raises:
        ValueError: names what is missing, and the tasks that have it.
    """
    known = parameters(TASKS[task])
    changed = VARIANTS[variant].task_parameters
    missing = [name for name in changed if name not in known]
    if missing:
        raise ValueError(
            f"variant {variant} changes {' and '.join(missing)}, which task {task} "
            f"does not have; it is for: {', '.join(applicable_tasks(variant))}"
        )
