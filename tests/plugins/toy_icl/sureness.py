"""An analysis: how large are the log-odds that the model answers?"""

import pandas as pd
from matplotlib.figure import Figure

from icl_mlflow.analysis import style
from icl_mlflow.analysis.base import Analysis, Subject, Topic
from icl_mlflow.analysis.findings import Conclusion


def _measure(subject: Subject) -> pd.DataFrame:
    return pd.DataFrame({"size": [float(subject.logit_B.abs().mean())]})


def _draw(frame: pd.DataFrame) -> Figure:
    drawn, (axes,) = style.figure(panel=(4.0, 3.0))
    axes.barh(frame["model"], frame["size"])
    axes.set(ylabel="model", xlabel="mean size of the log-odds (nats)")
    return drawn


TOY_ANALYSIS = Analysis(
    question="How sure is the model of itself?",
    topic=Topic.RIGHT,
    measure=_measure,
    summarise=lambda frame: {"size": float(frame["size"].iloc[0])},
    draw=_draw,
    verdict=lambda found: Conclusion(
        found["size"] > 1,
        f"its log-odds have a mean size of {found['size']:.2f} nats on "
        f"{found.episodes:,} episodes",
    ),
)
