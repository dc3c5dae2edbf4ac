"""What the contract tests of tasks share."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import kstest
from torch import Tensor

from icl_mlflow.episodes import Episodes
from icl_mlflow.tasks import TASKS
from icl_mlflow.tasks.base import Symmetry

every_task = pytest.mark.parametrize("name", TASKS.working())
every_shift = pytest.mark.parametrize(
    ("name", "shift"), [(name, shift) for name in TASKS for shift in TASKS[name].shifts]
)


def symmetric(claimed: Symmetry) -> pytest.MarkDecorator:
    """Every task that claims a symmetry."""
    claiming = [name for name, task in TASKS.items() if claimed in task.symmetries]
    return pytest.mark.parametrize("name", claiming)


def few(name: str, n_context: int = 32) -> Episodes:
    return TASKS[name].sample(200, n_context, stream="test")


def assert_zero_mean(value_B: Tensor) -> None:
    """The mean is zero within three of its standard errors."""
    standard_error = float(value_B.std() / math.sqrt(len(value_B)))
    assert abs(float(value_B.mean())) <= 3 * standard_error


#: Each coordinate of x given the label and the latents, (B, D) or (B, 1), as a frozen
#: distribution of scipy.stats.
Law = Callable[[int, dict[str, np.ndarray]], Any]


def assert_oracle_is_the_ratio_of_the_densities(name: str, law: Law) -> None:
    episodes = few(name)
    x_BD, latents = episodes.query_x_BD.double().numpy(), _latents_of(episodes)
    zero_B, one_B = (law(y, latents).logpdf(x_BD).sum(-1) for y in (0, 1))
    found_B = TASKS[name].oracle_llr(episodes).numpy()
    np.testing.assert_allclose(found_B, one_B - zero_B, rtol=1e-10, atol=1e-10)


def assert_points_are_drawn_from_the_law_of_their_label(name: str, law: Law) -> None:
    """The law's own distribution function makes every coordinate uniform."""
    episodes = TASKS[name].sample(2_000, 3, stream="test")
    latents = _latents_of(episodes)
    x_BSD = torch.cat([episodes.context_x_BND, episodes.query_x_BD[:, None]], 1).numpy()
    y_BS = torch.cat([episodes.context_y_BN, episodes.query_y_B[:, None]], 1).numpy()
    for point in range(4):
        x_BD, y_B = x_BSD[:, point].astype(np.float64), y_BS[:, point]
        for y in (0, 1):
            uniform = law(y, latents).cdf(x_BD)[y_B == y].flatten()
            assert kstest(uniform, "uniform").pvalue > 1e-3


def _latents_of(episodes: Episodes) -> dict[str, np.ndarray]:
    return {name: value.double().numpy() for name, value in episodes.latents.items()}
