"""What a wrapper does not say itself is as of the task within, however deep."""

import pytest
import torch

from icl_mlflow.streams import generator
from icl_mlflow.tasks.base import Task
from icl_mlflow.tasks.shifted_mean import ShiftedMean
from icl_mlflow.tasks.wrappers.class_prior import ClassPrior
from icl_mlflow.tasks.wrappers.finite_pool import FinitePool

PLAIN = ShiftedMean(dim=3, tau=2.0)
POOL = FinitePool(PLAIN, 4, 0)


@pytest.mark.parametrize("task", [POOL, ClassPrior(POOL, 0.2, 0.0)])
def test_points_and_likelihoods_are_those_of_the_task_within(task: Task) -> None:
    assert (task.dim, task.core) == (3, PLAIN)
    assert (task.sweeps, task.curricula) == (PLAIN.sweeps, PLAIN.curricula)
    latents = PLAIN.draw_latents(5, generator(0, "test"))
    y_BS = torch.tensor([[0, 1]] * 5)
    x_BSD = task.draw_points(latents, y_BS, generator(1, "test"))
    expected = PLAIN.draw_points(latents, y_BS, generator(1, "test"))
    assert torch.equal(x_BSD, expected)
    found_BM = task.log_likelihood(x_BSD, y_BS, latents)
    assert torch.equal(found_BM, PLAIN.log_likelihood(x_BSD, y_BS, latents))
