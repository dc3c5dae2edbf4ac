"""A task in wrappers is one task, however it came about; or it cannot be had."""

from typing import Any

import pytest
import torch
from torch import Tensor

from icl_mlflow.episodes import Episodes
from icl_mlflow.tasks import TASKS
from icl_mlflow.tasks.base import NotKnownError, Task, parameters, with_parameters
from icl_mlflow.tasks.shifted_mean import ShiftedMean
from icl_mlflow.tasks.wrappers.wrapped import lacks


class Whole(ShiftedMean):
    """A task that samples as a whole."""

    draw_latents = Task.draw_latents
    draw_points = Task.draw_points

    def sample(self, n_episodes: int, n_context: int = 32, **_: Any) -> Episodes:
        return Episodes.of_points(
            torch.zeros(n_episodes, n_context + 1, self.dim),
            torch.zeros(n_episodes, n_context + 1, dtype=torch.int64),
            {},
        )

    def bayes_logit(self, episodes: Episodes) -> Tensor:
        return torch.zeros(len(episodes), dtype=torch.float64)


def test_equal_parameters_are_equal_tasks() -> None:
    task = TASKS["A"]
    both = with_parameters(task, {"prior": 0.2, "pool": 8})
    assert both == with_parameters(with_parameters(task, {"pool": 8}), {"prior": 0.2})
    assert hash(both) == hash(with_parameters(both, {}))
    assert with_parameters(both, {"prior": 0.5, "pool": 0}) is not task
    assert with_parameters(both, {"prior": 0.5, "pool": 0}) == task
    assert with_parameters(both, {"pool": 0}) == with_parameters(task, {"prior": 0.2})


def test_parameters_of_the_task_and_of_its_wrappers_change_alike() -> None:
    both = with_parameters(TASKS["A"], {"prior": 0.2, "pool": 8, "tau": 1})
    assert parameters(both) == {
        "dim": 16,
        "tau": 1.0,
        "separation": 1.0,
        "prior": 0.2,
        "pool": 8,
        "pool_seed": 0,
    }
    wide = with_parameters(both, {"tau": 9, "pool_seed": 3})
    assert (wide.core, wide.wrapping.pool_seed) == (
        with_parameters(TASKS["A"], {"tau": 9}),
        3,
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pool": -1}, "^pool must be at least 0"),
        ({"pool": 2.5}, "^pool must be a whole number"),
        ({"prior": 0.0}, "^prior must be "),
        ({"prior": 1.0}, "^prior must be "),
        ({"prior_concentration": -1.0}, "^prior_concentration must be "),
    ],
)
def test_what_no_wrapper_can_be_is_refused(
    changes: dict[str, float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        with_parameters(TASKS["A"], changes)


def test_a_task_without_parts_takes_no_wrapper() -> None:
    whole = Whole()
    assert lacks(whole, "pool") == ["draw_latents", "draw_points"]
    for changes in ({"pool": 4}, {"prior": 0.2}):
        with pytest.raises(
            NotKnownError, match=r"Whole takes no p.*: it has no draw_l"
        ):
            with_parameters(whole, changes)
    assert not lacks(TASKS["B"], "prior")
