"""An estimator: the context votes along one axis."""

from dataclasses import dataclass

from torch import Tensor

from icl_mlflow.episodes import Episodes
from icl_mlflow.tasks.base import Task


@dataclass(frozen=True)
class FirstAxis:
    """Votes of the context along the first axis."""

    question: str = "Is the first axis enough?"
    is_calibrated: bool = False

    def __call__(self, task: Task, episodes: Episodes) -> Tensor:
        """The vote: (B,) float64."""
        del task
        sign_BN = 2 * episodes.context_y_BN.double() - 1
        vote_B = (sign_BN * episodes.context_x_BND[..., 0].double()).sum(1)
        return vote_B * episodes.query_x_BD[:, 0].double()


TOY_ESTIMATOR = FirstAxis()
