"""What the contract tests of tasks share."""

import math

import pytest
from torch import Tensor

from icl_mlflow.episodes import Episodes
from icl_mlflow.tasks import TASKS

every_task = pytest.mark.parametrize("name", TASKS)
every_shift = pytest.mark.parametrize(
    ("name", "shift"), [(name, shift) for name in TASKS for shift in TASKS[name].shifts]
)


def few(name: str, n_context: int = 32) -> Episodes:
    return TASKS[name].sample(200, n_context, stream="test")


def assert_zero_mean(value_B: Tensor) -> None:
    """The mean is zero within three of its standard errors."""
    standard_error = float(value_B.std() / math.sqrt(len(value_B)))
    assert abs(float(value_B.mean())) <= 3 * standard_error
