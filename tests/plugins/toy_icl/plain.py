"""A variant, an estimator and an analysis."""

from dataclasses import dataclass

import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import Tensor

from icl_mlflow.analysis import style
from icl_mlflow.analysis.base import Analysis, Subject
from icl_mlflow.analysis.findings import Conclusion
from icl_mlflow.episodes import Episodes
from icl_mlflow.tasks.base import Task
from icl_mlflow.variants.base import Variant

TOY_VARIANT = Variant(
    question="Does the first projection of every block have to be trained?",
    frozen=lambda name, value: (
        torch.ones_like(value).bool() if "linear1" in name else None
    ),
)


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


def _measure(subject: Subject) -> pd.DataFrame:
    return pd.DataFrame({"size": [float(subject.logit_B.abs().mean())]})


def _draw(frame: pd.DataFrame) -> Figure:
    drawn, (axes,) = style.figure(panel=(4.0, 3.0))
    axes.barh(frame["model"], frame["size"])
    axes.set(ylabel="model", xlabel="mean size of the log-odds (nats)")
    return drawn


TOY_ANALYSIS = Analysis(
    question="How sure is the model of itself?",
    measure=_measure,
    summarise=lambda frame: {"size": float(frame["size"].iloc[0])},
    draw=_draw,
    verdict=lambda found: Conclusion(
        found["size"] > 1,
        f"its log-odds have a mean size of {found['size']:.2f} nats on "
        f"{found.episodes:,} episodes",
    ),
)
