"""Tuning of an estimator: its one free number, and the scale of its score.

Both are fitted by log-loss on fixed episodes of the stream ``tuning``, which nothing is
trained or judged on, once for each estimator, task and context length.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from scipy.optimize import brentq
from torch import Tensor
from torch.nn.functional import softplus

from icl_mlflow.episodes import Episodes
from icl_mlflow.estimators.base import Estimator, estimate
from icl_mlflow.tasks.base import Task

_TUNING_EPISODES = 2_000
#: One slope fitted on so many costs 1 / (2 * 10 000) nats of excess risk on average.
_CALIBRATION_EPISODES = 10_000
#: Weight of the penalty that keeps the slope finite where a score is never wrong.
_PENALTY = 1e-6


@dataclass(frozen=True)
class Tuned:
    """A family of estimators at its best member.

    Attributes:
        question: what its result tells, in one sentence.
        family: from a number to the member of the family.
        grid: the numbers to choose from.
    """

    question: str
    family: Callable[..., Estimator]
    grid: tuple[float, ...]
    is_calibrated: bool = False

    def __call__(self, task: Task, episodes: Episodes) -> Tensor:
        """The score of the best member: (B,) float64."""
        return self.best(task, episodes.n_context)(task, episodes)

    def best(self, task: Task, n_context: int) -> Estimator:
        """The member with the lowest calibrated log-loss on the tuning episodes."""
        return self.family(_best_of(self.family, self.grid, task, n_context))


@dataclass(frozen=True)
class Calibrated:
    """An estimator whose score is scaled to log-odds by logistic regression (Platt).

    There is no intercept: every estimator here answers the opposite when the context's
    labels are exchanged, and keeps doing so.
    """

    base: Estimator
    is_calibrated: bool = True

    @property
    def question(self) -> str:
        """What the estimator itself asks."""
        return self.base.question

    def __call__(self, task: Task, episodes: Episodes) -> Tensor:
        """Calibrated log-odds: (B,) float64, nats."""
        slope = _slope_of(self.base, task, episodes.n_context)
        return slope * self.base(task, episodes)


def calibration_slope(score_B: Tensor, label_B: Tensor) -> float:
    """The factor that gives a score its lowest log-loss; 0 for a score that is 0.

    Args:
        score_B: any scale.
        label_B: 0 or 1.
    """
    size = float(score_B.square().mean().sqrt())
    if size == 0:
        return 0.0
    signed_B = (2 * label_B.double() - 1) * score_B / size

    def slope_of_loss(slope: float) -> float:
        return (
            float(-(signed_B * (-slope * signed_B).sigmoid()).mean()) + _PENALTY * slope
        )

    # The mean of |signed| is at most 1: out there the penalty decides the sign.
    furthest = 2 / _PENALTY
    return float(brentq(slope_of_loss, -furthest, furthest)) / size


@functools.lru_cache(maxsize=256)
def _best_of(
    family: Callable[..., Estimator],
    grid: tuple[float, ...],
    task: Task,
    n_context: int,
) -> float:
    episodes = task.sample(_TUNING_EPISODES, n_context, stream="tuning")
    sign_B = 2 * episodes.query_y_B.double() - 1

    def loss(value: float) -> float:
        score_B = estimate(family(value), task, episodes)
        slope = calibration_slope(score_B, episodes.query_y_B)
        return float(softplus(-slope * score_B * sign_B).mean())

    return min(grid, key=loss)


@functools.lru_cache(maxsize=256)
@torch.no_grad()
def _slope_of(estimator: Estimator, task: Task, n_context: int) -> float:
    episodes = task.sample(_CALIBRATION_EPISODES, n_context, stream="tuning", step=1)
    return calibration_slope(estimate(estimator, task, episodes), episodes.query_y_B)
