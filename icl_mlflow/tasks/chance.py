"""What guessing reaches on a task: of fair labels half, at a loss of ln 2."""

import math
from dataclasses import dataclass

from icl_mlflow.tasks.base import Task


@dataclass(frozen=True)
class Chance:
    """What guessing reaches that knows how frequent the classes are.

    Attributes:
        accuracy: of the more frequent class, in [0, 1].
        loss: log-loss, nats: the entropy of a label.
    """

    accuracy: float
    loss: float

    @classmethod
    def of(cls, rate: float) -> "Chance":
        """Where a label is 1 with probability ``rate``.

        >>> Chance.of(0.2).accuracy
        0.8
        """
        loss = -rate * math.log(rate) - (1 - rate) * math.log1p(-rate)
        return cls(accuracy=max(rate, 1 - rate), loss=loss)


def chance(task: Task) -> Chance:
    """What guessing reaches.

    >>> from icl_mlflow.tasks import TASKS
    >>> chance(TASKS["A"]).accuracy, round(chance(TASKS["A"]).loss, 4)
    (0.5, 0.6931)
    """
    return Chance.of(task.base_rate)
