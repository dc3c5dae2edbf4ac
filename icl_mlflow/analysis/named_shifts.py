"""What does each named shift of the task cost, all of them of the same dimension?

The shifts belong to the task; the model's input stays as wide as it was. Beside the
model stand the exact Bayes predictor of the shifted prior, and of the training prior.
"""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from icl_mlflow.analysis import curves, ends, style
from icl_mlflow.analysis.base import Analysis, Subject
from icl_mlflow.analysis.fresh import drawn
from icl_mlflow.evaluation import predict
from icl_mlflow.tasks.base import parameters, with_parameters

_MOST = 2_000
_UNSHIFTED = "as trained"


def measure(subject: Subject) -> pd.DataFrame:
    """One row per shift and predictor; the columns of `curves.point`."""
    trained_on = subject.problem.task
    rows = []
    for shift, changes in {_UNSHIFTED: {}, **trained_on.shifts}.items():
        task = with_parameters(trained_on, changes)
        truth = drawn(subject, task, most=_MOST)
        answers = {
            curves.MODEL: predict(subject.predictor, truth.seen),
            curves.BAYES: truth.bayes_B,
            curves.TRAINED_BAYES: trained_on.bayes_logit(truth.episodes),
        }
        told = "\n".join(f"{name} = {parameters(task)[name]:g}" for name in changes)
        where = {"shift": shift, "parameters": told}
        rows += curves.point(where, answers, truth.bayes_B)
        rows.append(curves.known_accuracy(where, task.oracle().accuracy))
    return pd.DataFrame(rows)


def summarise(frame: pd.DataFrame) -> dict[str, float]:
    """Accuracy and excess risk (nats) under each shift, model and references."""
    names = {curves.MODEL: "", curves.TRAINED_BAYES: "training_prior_"}
    numbers: dict[str, float] = {}
    for row in frame.to_dict("records"):
        for metric in ("accuracy", "excess_risk") if row["predictor"] in names else ():
            key = f"{row['shift']}_{names[row['predictor']]}{metric}".replace(" ", "_")
            numbers |= ends.numbers_of_row(key, row, metric)
    return numbers


def draw(frame: pd.DataFrame) -> Figure:
    """Accuracy and excess risk under each shift."""
    drawn_figure, panels = style.figure(1, 2, panel=(5.6, 4.2))
    frame = frame.assign(where=_label(frame))
    places = {name: place for place, name in enumerate(frame["where"].unique())}
    frame = frame.assign(place=frame["where"].map(places))
    curves.draw_pair(
        panels, frame, "place", "shift of the task", "linear", joined=False
    )
    for axes in panels:
        axes.set_xticks(range(len(places)), list(places), fontsize="small")
        axes.set_xlim(-0.5, len(places) - 0.5)
    panels[0].legend(fontsize="small")
    return drawn_figure


def _label(frame: pd.DataFrame) -> pd.Series:
    name = frame["shift"].str.replace("_", " ")
    return name.where(frame["parameters"] == "", name + "\n" + frame["parameters"])


def _verdict(numbers: Mapping[str, float]) -> str:
    ending = "_excess_risk"
    told = ", ".join(
        f"{value:.4f} {name.removesuffix(ending).replace('_', ' ')}"
        for name, value in numbers.items()
        if name.endswith(ending) and "training_prior" not in name
    )
    return f"Nats above Bayes: {told}."


def _refuses(subject: Subject) -> str | None:
    if not subject.problem.task.shifts:
        return f"the task of {subject.name} has no named shifts"
    return None


NAMED_SHIFTS = Analysis(
    question="What does each named shift of the task cost?",
    measure=measure,
    summarise=summarise,
    draw=draw,
    verdict=_verdict,
    refuses=_refuses,
    most_episodes=_MOST,
)
