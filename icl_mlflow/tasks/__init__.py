"""The statistical tasks: a name, and where the task with that name lives."""

from typing import TYPE_CHECKING

from icl_mlflow.registry import Registry

if TYPE_CHECKING:
    from icl_mlflow.tasks.base import Task

TASKS: "Registry[Task]" = Registry(
    "task",
    {
        "A": "icl_mlflow.tasks.shifted_mean:DEFAULT",
        "B": "icl_mlflow.tasks.variance:DEFAULT",
    },
    group="icl_mlflow.tasks",
)
