"""The interface of every estimator, and what all of them need of an episode."""

from typing import Protocol

import torch
from torch import Tensor

from icl_mlflow.episodes import Episodes
from icl_mlflow.tasks.base import Task

#: Points answered for at once: bounds the memory of what is computed of each.
_POINTS = 1_000 * 33


class Estimator(Protocol):
    """A rule that reads the context and answers for the query.

    An estimator is a frozen dataclass, so that what is tuned for it can be remembered.
    """

    @property
    def question(self) -> str:
        """What its result tells, in one sentence."""
        ...

    @property
    def is_calibrated(self) -> bool:
        """Whether its answers can be read as log-odds; if not, only as a score."""
        ...

    def __hash__(self) -> int: ...

    def __call__(self, task: Task, episodes: Episodes) -> Tensor:
        """Log-odds of y_q = 1, or a score that grows with them: (B,) float64, nats.

        The task stands for what is known beforehand. Whatever the context is like, the
        answer is finite; it is 0 where the context says nothing to this rule.
        """
        ...


def estimate(estimator: Estimator, task: Task, episodes: Episodes) -> Tensor:
    """The estimator's answers, found in chunks: (B,) float64, nats."""
    return torch.cat([estimator(task, part) for part in episodes.chunks(_POINTS)])


def signs(episodes: Episodes) -> Tensor:
    """The context's labels as -1 and +1: (B, N) float64."""
    return 2 * episodes.context_y_BN.double() - 1


def told_by_labels(task: Task, episodes: Episodes) -> Tensor:
    """What the context's labels alone tell of the query's: (B,) float64, nats.

    0 where labels are fair coins.
    """
    return task.label_log_odds(episodes.context_y_BN.sum(1), episodes.n_context)


def has_both_classes(episodes: Episodes) -> Tensor:
    """Whether a context shows y = 0 as well as y = 1: (B,) bool."""
    ones_B = episodes.context_y_BN.sum(1)
    return (ones_B > 0) & (ones_B < episodes.n_context)
