"""Named shifts: what each of the task's own costs, in the same dimension.

The shifts belong to the task; the model's input stays as wide as it was. Beside the
model stand the exact Bayes predictor of the shifted prior, and of the training prior.
"""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from icl_mlflow.analysis import curves, style
from icl_mlflow.analysis.ablation.decision import SMALLEST_OF_INTEREST
from icl_mlflow.analysis.base import Analysis, Subject, Topic
from icl_mlflow.analysis.episodes import episodes_for
from icl_mlflow.analysis.findings import Conclusion, Findings, all_of
from icl_mlflow.analysis.side_by_side import panels, seed_points
from icl_mlflow.evaluation import predict
from icl_mlflow.statistics import numbers_of_row
from icl_mlflow.tasks.base import parameters, with_parameters
from icl_mlflow.tasks.wrappers.wrapping import UNWRAPPED

_MOST = 2_000
_UNSHIFTED = "as trained"
#: Below it the axis of the risk is linear in that figure.
_NEAR_ZERO = 1e-3
#: Who stands in the figure of a suite, and in which colour.
_BESIDE = {curves.MODEL: style.MODEL, curves.TRAINED_BAYES: style.ORANGE}


def measure(subject: Subject) -> pd.DataFrame:
    """One row per shift and predictor; the columns of `curves.point`."""
    trained_on = subject.problem.task
    rows = []
    for shift, changes in {_UNSHIFTED: {}, **trained_on.shifts}.items():
        task = with_parameters(trained_on, changes)
        truth = episodes_for(subject, task, most=_MOST)
        answers = {
            curves.MODEL: predict(subject.predictor, truth.seen),
            curves.BAYES: truth.bayes_B,
            curves.TRAINED_BAYES: trained_on.bayes_logit(truth.episodes),
        }
        now = {**UNWRAPPED, **parameters(task)}
        told = "\n".join(f"{name} = {now[name]:g}" for name in changes)
        where = {"shift": shift, "parameters": told}
        rows += curves.point(where, answers, truth.bayes_B)
        rows.append(curves.known_accuracy(where, task.oracle().accuracy))
    return pd.DataFrame(rows)


def summarise(frame: pd.DataFrame) -> dict[str, float]:
    """Accuracy and excess risk (nats) under each shift, model and references."""
    own = frame[frame["predictor"] == curves.MODEL]
    names = {curves.MODEL: "", curves.TRAINED_BAYES: "training_prior_"}
    numbers = {"largest_excess_risk": float(own["excess_risk"].max())}
    for row in frame.to_dict("records"):
        for metric in ("accuracy", "excess_risk") if row["predictor"] in names else ():
            key = f"{row['shift']}_{names[row['predictor']]}{metric}".replace(" ", "_")
            numbers |= numbers_of_row(row, metric, key)
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
        axes.set_xticks(range(len(places)), list(places))
        axes.set_xlim(-0.5, len(places) - 0.5)
    style.legend(panels[0])
    return drawn_figure


def _label(frame: pd.DataFrame) -> pd.Series:
    name = frame["shift"].str.replace("_", " ")
    parameters = frame["parameters"].fillna("")  # a CSV has no other nothing
    return name.where(parameters == "", name + "\n" + parameters)


def _beside(frame: pd.DataFrame) -> Figure:
    """The excess risk of every variant under each shift, every seed."""
    named = frame.assign(where=frame["shift"].str.replace("_", " "))

    def paint(axes: Axes, part: pd.DataFrame) -> None:
        for predictor, color in _BESIDE.items():
            own = part[part["predictor"] == predictor]
            seed_points(axes, own, "where", "excess_risk", label=predictor, color=color)
        axes.tick_params(axis="x", labelrotation=20)
        style.logarithmic(axes, "y", near_zero=_NEAR_ZERO)
        axes.set_ylim(bottom=-_NEAR_ZERO / 4)

    return panels(
        named, paint, xlabel="shift of the task", ylabel="excess risk over Bayes (nats)"
    )


def _verdict(found: Findings) -> Conclusion:
    ending = "_excess_risk"
    shifts = [
        name.removesuffix(ending)
        for name in found.numbers
        if name.endswith(ending)
        and "training_prior" not in name
        and name != "largest_excess_risk"
    ]
    bars = {s: found[f"{s}_training_prior_excess_risk"] for s in shifts}
    carries = all_of(
        *(
            found.below(f"{shift}{ending}", bar + SMALLEST_OF_INTEREST)
            for shift, bar in bars.items()
        )
    )
    told = "; ".join(
        f"{shift.replace('_', ' ')}, {found.phrase(f'{shift}{ending}', 'nats')}, "
        f"unsuspecting Bayes {bar:.4f}"
        for shift, bar in bars.items()
    )
    return Conclusion(
        carries,
        f"above Bayes that knows the shift, the model and Bayes with the training "
        f"prior have: {told}; within {SMALLEST_OF_INTEREST} of the latter is yes",
    )


def _refuses(subject: Subject) -> str | None:
    if not subject.problem.task.shifts:
        return f"the task of {subject.name} has no named shifts"
    return None


NAMED_SHIFTS = Analysis(
    question="Does the model bear the named shifts as well as Bayes that expects none?",
    topic=Topic.RIGHT,
    measure=measure,
    summarise=summarise,
    draw=draw,
    verdict=_verdict,
    headline="largest_excess_risk",
    beside=_beside,
    refuses=_refuses,
    most_episodes=_MOST,
)
