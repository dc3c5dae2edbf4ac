"""What the contract tests of tasks share."""

import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import kstest
from torch import Tensor

from icl_mlflow.episodes import Episodes
from icl_mlflow.tasks import TASKS
from icl_mlflow.tasks.base import Symmetry, Task, with_parameters

#: Tasks in wrappers; of pools, such that a context leaves several members.
WRAPPED: dict[str, tuple[str, dict[str, float]]] = {
    "A with a prior": ("A", {"prior": 0.2}),
    "A with a pool": ("A", {"pool": 256, "tau": 0.3, "separation": 0.75}),
    "B with both": (
        "B",
        {"prior": 0.6, "prior_concentration": 5, "pool": 64, "pool_seed": 3, "dim": 2},
    ),
}
#: All that a contract is asked of: every task, and some in wrappers.
CASES: dict[str, Task] = {
    **TASKS.working(),
    **{
        case: with_parameters(TASKS[name], around)
        for case, (name, around) in WRAPPED.items()
    },
}

every_task = pytest.mark.parametrize("name", CASES)


def of_dims(*dims: int) -> pytest.MarkDecorator:
    """Every task in those of these dimensions that it can have."""
    possible = []
    for name, task in CASES.items():
        for dim in dims:
            with suppress(ValueError):
                possible.append((name, with_parameters(task, {"dim": dim}).dim))
    return pytest.mark.parametrize(("name", "dim"), possible)


every_shift = pytest.mark.parametrize(
    ("name", "shift"), [(name, shift) for name in CASES for shift in CASES[name].shifts]
)


def symmetric(claimed: Symmetry) -> pytest.MarkDecorator:
    """Every task that claims a symmetry."""
    claiming = [name for name, task in CASES.items() if claimed in task.symmetries]
    return pytest.mark.parametrize("name", claiming)


def few(name: str, n_context: int = 32) -> Episodes:
    return CASES[name].sample(200, n_context, stream="test")


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


def assert_log_likelihood_is_that_of_the_law(name: str, law: Law) -> None:
    """But for what depends on the points alone: compared across labels and latents."""
    task = TASKS[name]
    x_BSD = task.sample(6, 2, stream="test").context_x_BND
    label_BS = torch.tensor([[0, 1], [1, 1], [0, 0]]).repeat(2, 1)
    drawn = task.draw_latents(5, torch.Generator().manual_seed(1))
    found_BM = task.log_likelihood(x_BSD, label_BS, drawn).numpy()
    other_BM = task.log_likelihood(x_BSD, 1 - label_BS, drawn).numpy()

    def expected(label_BS: torch.Tensor, m: int) -> np.ndarray:
        latents = {k: v[m : m + 1].double().numpy() for k, v in drawn.items()}
        density = [law(y, latents).logpdf(x_BSD.double().numpy()) for y in (0, 1)]
        y_BS1 = label_BS.unsqueeze(-1).numpy()
        return np.where(y_BS1, density[1], density[0]).sum((1, 2))

    for m in range(5):
        for found_B, labels in (
            (found_BM[:, m], label_BS),
            (other_BM[:, m], 1 - label_BS),
        ):
            relative_B = expected(labels, m) - expected(label_BS, 0)
            np.testing.assert_allclose(
                found_B - found_BM[:, 0], relative_B, rtol=1e-9, atol=1e-9
            )


def _latents_of(episodes: Episodes) -> dict[str, np.ndarray]:
    return {name: value.double().numpy() for name, value in episodes.latents.items()}
