"""Sweeps of the task's parameters, away from their values in training.

Each parameter that the task offers for it (the shift's size in A, the range of the
sigmas in B) is swept on its own. Beside the model: the exact Bayes predictor of each
point's true prior, and the one that still believes in the training prior, which is what
a perfect but unsuspecting learner would do.
"""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure

from icl_mlflow.analysis import curves, style
from icl_mlflow.analysis.ablation.decision import SMALLEST_OF_INTEREST
from icl_mlflow.analysis.base import Analysis, Subject, Topic
from icl_mlflow.analysis.episodes import episodes_for
from icl_mlflow.analysis.findings import Conclusion, Findings, all_of
from icl_mlflow.evaluation import predict
from icl_mlflow.tasks.base import Task, parameters, with_parameters

if TYPE_CHECKING:
    from icl_mlflow.statistics import Interval

_MOST = 1_000


def measure(subject: Subject) -> pd.DataFrame:
    """One row per parameter, value and predictor; the columns of `curves.point`."""
    rows = []
    for parameter, value, task in _points(subject.task):
        truth = episodes_for(subject, task, most=_MOST)
        answers = {
            curves.MODEL: predict(subject.predictor, truth.seen),
            curves.BAYES: truth.bayes_B,
            curves.TRAINED_BAYES: subject.problem.task.bayes_logit(truth.episodes),
        }
        where = {
            "parameter": parameter,
            "value": value,
            "trained": parameters(subject.problem.task)[parameter],
            "meaning": _meaning(task, parameter),
        }
        rows += curves.point(where, answers, truth.bayes_B)
        rows.append(curves.known_accuracy(where, task.oracle().accuracy))
    return pd.DataFrame(rows)


def _points(task: Task) -> Iterator[tuple[str, float, Task]]:
    """Parameter, value and task, the task's own value always among them."""
    for parameter, values in task.sweeps.items():
        own = parameters(task)[parameter]
        for value in sorted({*values, own}):
            try:
                yield parameter, value, with_parameters(task, {parameter: value})
            except ValueError:
                # A value that contradicts another parameter has no place in this sweep.
                continue


def _meaning(task: Task, parameter: str) -> str:
    """The parameter's own help text, as part of a sentence."""
    (declared,) = (field for field in fields(task) if field.name == parameter)
    text = str(declared.metadata["help"]).rstrip(".")
    return text[0].lower() + text[1:]


def summarise(frame: pd.DataFrame) -> dict[str, float]:
    """The largest excess risk, and each parameter's `curves.summarise_curve`."""
    own = frame[frame["predictor"] == curves.MODEL]
    return {
        "largest_excess_risk": float(own["excess_risk"].max()),
        **{
            f"{parameter}_{name}": number
            for parameter, part in frame.groupby("parameter", sort=False)
            for name, number in curves.summarise_curve(part, "value").items()
        },
    }


def draw(frame: pd.DataFrame) -> Figure:
    """Accuracy and excess risk along each parameter, a row a parameter."""
    swept = frame.groupby("parameter", sort=False)
    drawn_figure, panels = style.figure(len(swept), 2, panel=(5.6, 4.0))
    rest = iter(panels)
    for parameter, part in swept:
        pair = [next(rest), next(rest)]
        label = f"{parameter}: {part['meaning'].iloc[0]}"
        curves.draw_pair(pair, part, "value", label, "symlog")
        for axes in pair:
            curves.mark(axes, part["trained"].unique().tolist(), "trained here")
    style.legend(panels[0])
    return drawn_figure


def _beside(frame: pd.DataFrame) -> Figure:
    """The excess risk of every variant along the first parameter, every seed."""
    first = frame[frame["parameter"] == frame["parameter"].iloc[0]]
    label = f"{first['parameter'].iloc[0]}: {first['meaning'].iloc[0]}"
    return curves.draw_beside(first, "value", label, "symlog")


def _verdict(found: Findings) -> Conclusion:
    marker, trusting = "_excess_risk_at_", "_training_prior"
    points = [
        name
        for name in found.numbers
        if marker in name and not name.partition(marker)[0].endswith(trusting)
    ]
    carries = all_of(
        *(
            found.below(point, found[_unsuspecting(point)] + SMALLEST_OF_INTEREST)
            for point in points
        )
    )
    swept = dict.fromkeys(point.partition(marker)[0] for point in points)
    told = [f"along {name}, {curves.extremes(_of(found, name))}" for name in swept]
    worst = max(points, key=lambda point: found[point] - found[_unsuspecting(point)])
    return Conclusion(
        carries,
        f"the model goes, {'; '.join(told)}; it is furthest from Bayes with the "
        f"training prior at {worst.replace(marker, ' = ')}, with "
        f"{found.phrase(worst, 'nats')} against {found[_unsuspecting(worst)]:.4f}; "
        f"within {SMALLEST_OF_INTEREST} of it everywhere counts as yes",
    )


def _of(found: Findings, parameter: str) -> "Mapping[str, Interval]":
    """The numbers of one parameter, without its name."""
    prefix = f"{parameter}_"
    return {
        name.removeprefix(prefix): interval
        for name, interval in found.numbers.items()
        if name.startswith(f"{prefix}excess_risk_at_")
    }


def _unsuspecting(point: str) -> str:
    """The same number of Bayes with the training prior."""
    return point.replace("_excess_risk_at_", "_training_prior_excess_risk_at_")


def _refuses(subject: Subject) -> str | None:
    if not subject.task.sweeps:
        return f"the task of {subject.name} offers no parameter to sweep"
    return None


PARAMETER_SWEEP = Analysis(
    question="Does the model carry beyond the training parameters?",
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
