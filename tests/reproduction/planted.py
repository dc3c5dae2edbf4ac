"""Trainings of the paper's experiments with planted learning curves."""

from collections.abc import Sequence

import pandas as pd

from icl_mlflow.estimators.ceilings import Ceiling, Ceilings
from icl_mlflow.reproduction.course import Course
from icl_mlflow.reproduction.paper import SHIFT, trainings
from icl_mlflow.reproduction.table import Found

TOP = Ceiling(accuracy=0.79, loss=0.45, kind="exact", why="all is seen")
CEILINGS = Ceilings(shown=TOP, ideal=TOP, shown_B=None, ideal_B=None)


def member(
    variant: str, seed: int, accuracy: Sequence[float], **more: object
) -> Course:
    """A training of four epochs, of which the third has the lowest loss."""
    history = pd.DataFrame(
        {
            "epoch": range(4),
            "train/accuracy": accuracy,
            "val/accuracy": accuracy,
            "val/loss": [0.69, 0.60, 0.40, 0.45],
            "val/loss_standard_error": 0.001,
            "val/excess_risk": 0.1,
            **more,
        }
    )
    return Course(run_id=f"{variant}{seed}", seed=seed, history=history)


def found(**members: list[Course]) -> Found:
    """What stands: of task A by variant, and nothing of task B."""
    return Found(
        members={
            (task, variant): members.get(variant, []) if task == "A" else []
            for task, variant in trainings()
        },
        ceilings=dict.fromkeys(trainings(), CEILINGS),
        shifted_bayes=0.77,
        shifted={"baseline1": 0.61},
        seeds=(0, 1),
        n_episodes=5_000,
    )


SHIFTED = {
    f"{SHIFT}/accuracy": [0.5, 0.66, 0.64, 0.62],
    f"{SHIFT}/loss": [0.69, 0.61, 0.63, 0.70],
}
CURVE = [0.5, 0.6, 0.782, 0.781]
