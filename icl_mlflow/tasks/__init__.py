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
        "C": "icl_mlflow.tasks.covariance_sign:DEFAULT",
        "D": "icl_mlflow.tasks.laplace_gauss:DEFAULT",
        "E": "icl_mlflow.tasks.sparse_mean:DEFAULT",
        "F": "icl_mlflow.tasks.regression_sign:DEFAULT",
    },
    group="icl_mlflow.tasks",
)
