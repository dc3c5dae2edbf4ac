"""The scoreboard: the model beside everything that it could be compared with.

The model, exact Bayes, the oracle and every classical estimator, all on the same
episodes, each score with its 95 % interval. Estimators whose answer is only a score are
calibrated; what they leave open is tuned on the training task, which is where the model
learned too. They see what the model sees.
"""

from contextlib import suppress
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from icl_mlflow.analysis import style
from icl_mlflow.analysis.base import Analysis, Subject, Topic
from icl_mlflow.analysis.findings import Conclusion, Findings
from icl_mlflow.analysis.score_intervals import METRICS, scored
from icl_mlflow.analysis.side_by_side import dots, each_seed
from icl_mlflow.estimators import ESTIMATORS
from icl_mlflow.estimators.base import estimate
from icl_mlflow.estimators.ceilings import WHOLE, ceilings, readings
from icl_mlflow.estimators.tuning import Calibrated
from icl_mlflow.statistics import numbers_of_row
from icl_mlflow.tasks.base import NotKnownError

MODEL: Final = "model"
#: Exact Bayes of what is shown, an ideal learner of the training, and exact Bayes with
#: the training prior: where they differ from exact Bayes of the episodes as drawn.
SHOWN, IDEAL, TRAINED = (
    "bayes_of_what_is_shown",
    "ideal_learner",
    "bayes_training_prior",
)
#: What the truth of the episodes answers itself.
_EXACT = ("bayes", "oracle")
_UNITS = {
    "accuracy": "accuracy",
    "loss": "log-loss (nats)",
    "excess_risk": "excess risk over Bayes (nats)",
    "auc": "area under the ROC curve",
    "brier": "Brier score",
    "ece": "expected calibration error",
}
_LOOKS = {"bayes": (style.BAYES, "s"), "oracle": (style.ORACLE, "D")}
_SMALL_RISK = 1e-3


def measure(subject: Subject) -> pd.DataFrame:
    """One row a predictor: ``predictor``, and each score with its low and high."""
    rng = np.random.default_rng(subject.seed)
    rows = []
    for predictor, logit_B in _answers(subject).items():
        row: dict[str, object] = {"predictor": predictor}
        # A posterior that is integrated numerically is found on the first episodes.
        truth = subject.truth.first(len(logit_B))
        found = scored(logit_B, truth, rng, knows_latents=predictor == "oracle")
        for metric, interval in found.items():
            row |= interval.columns(metric)
        rows.append(row | {"episodes": len(truth)})
    return pd.DataFrame(rows)


def _answers(subject: Subject) -> dict[str, Tensor]:
    task, seen = subject.problem.task, subject.truth.seen.to("cpu")
    answers = {
        MODEL: subject.logit_B,
        "bayes": subject.truth.bayes_B,
        "oracle": subject.truth.oracle_B,
        **_references(subject),
    }
    for name, base in ESTIMATORS.working().items():
        if name not in _EXACT:
            calibrated = base if base.is_calibrated else Calibrated(base)
            with suppress(NotKnownError):  # such as a plug-in that this task has not
                answers[name] = estimate(calibrated, task, seen)
    return answers


def _references(subject: Subject) -> dict[str, Tensor]:
    """What exact predictors make of episodes that are corrupted or shifted."""
    found = {}
    if subject.trained_bayes_B is not None:
        found[TRAINED] = subject.trained_bayes_B
    shown, taught = readings(subject.problem.variant)
    if taught == WHOLE:
        return found
    best = ceilings(subject.problem.task, subject.truth.seen.to("cpu"), shown, taught)
    if best.shown_B is not None and shown != WHOLE:
        found[SHOWN] = best.shown_B
    if best.ideal_B is not None and taught != shown:
        found[IDEAL] = best.ideal_B
    return found


def summarise(frame: pd.DataFrame) -> dict[str, float]:
    """Every score with its interval, the model's without its name."""
    numbers: dict[str, float] = {}
    for row in frame.to_dict("records"):
        prefix = "" if row["predictor"] == MODEL else f"{row['predictor']}_"
        for metric in METRICS:
            numbers |= numbers_of_row(row, metric, f"{prefix}{metric}")
    return numbers


def draw(frame: pd.DataFrame) -> Figure:
    """A panel a score, a line a predictor; models by their names."""
    is_model = frame["predictor"] == MODEL
    names = frame["predictor"].where(~is_model, frame["model"])
    # Models that were asked the same have the same rivals: each is drawn once.
    once = frame.assign(name=names).drop_duplicates(["name", "accuracy", "loss"])
    order = [*names[is_model].unique(), *names[~is_model].unique()]
    places = {name: -place for place, name in enumerate(order)}
    drawn, panels = style.figure(2, 3, panel=(4.6, 1.6 + 0.24 * len(order)))
    for axes, metric in zip(panels, METRICS, strict=True):
        for name, rows in once.groupby("name", sort=False):
            # What the oracle gains by knowing the latents is no excess: a table's fact.
            if (name, metric) != ("oracle", "excess_risk"):
                _points(axes, rows, metric, places[name])
        axes.set(xlabel=_UNITS[metric], ylabel="predictor")
        axes.set_yticks(list(places.values()), list(places))
    risk = panels[METRICS.index("excess_risk")]
    style.logarithmic(risk, "x", near_zero=_SMALL_RISK)
    risk.set_xlim(left=-_SMALL_RISK / 4, right=2 * max(once["excess_risk"]))
    return drawn


def _points(axes: Axes, rows: pd.DataFrame, metric: str, place: int) -> None:
    """The score of a predictor wherever it differs: once, or of every model's task."""
    predictor = rows["predictor"].iloc[0]
    look = (style.MODEL if predictor == MODEL else style.GREY, "o")
    color, marker = _LOOKS.get(predictor, look)
    style.interval_points(
        axes,
        [place] * len(rows),
        rows,
        metric,
        color=color,
        marker=marker,
        across=True,
    )


def _beside(frame: pd.DataFrame) -> Figure:
    """Excess risk and accuracy of every seed, beside exact Bayes and the best rival."""
    own = frame[frame["predictor"] == MODEL]
    rivals = frame[~frame["predictor"].isin([MODEL, *_EXACT, SHOWN, IDEAL, TRAINED])]
    means = rivals.groupby("predictor")[["excess_risk", "accuracy"]].mean()
    best = means["excess_risk"].idxmin()
    best_risk, best_accuracy = means.loc[[best]].to_numpy().ravel().tolist()
    risk, accuracy = _UNITS["excess_risk"], _UNITS["accuracy"]
    bayes = float(frame.loc[frame["predictor"] == "bayes", "accuracy"].mean())
    rival = f"best classical estimator ({best})"
    return dots(
        {
            risk: each_seed(own, "excess_risk"),
            accuracy: each_seed(own, "accuracy"),
        },
        lines={
            risk: {"exact Bayes": 0.0, rival: best_risk},
            accuracy: {
                "exact Bayes": bayes,
                rival: best_accuracy,
            },
        },
        logarithmic=[risk],
    )


def _verdict(found: Findings) -> Conclusion:
    rivals = [
        name
        for name in ESTIMATORS
        if name not in _EXACT and f"{name}_excess_risk" in found
    ]
    best = min(rivals, key=lambda name: found[f"{name}_excess_risk"])
    clause = (
        f"{found.phrase('excess_risk', 'nats')} above exact Bayes, where the best "
        f"classical estimator, {best}, has {found[f'{best}_excess_risk']:.4f}; "
        f"accuracy {found.phrase('accuracy')}, Bayes {found['bayes_accuracy']:.4f}, "
        f"oracle {found['oracle_accuracy']:.4f}"
    )
    if f"{SHOWN}_accuracy" in found:
        clause += (
            f"; of what it is shown, exact Bayes makes an accuracy of "
            f"{found[f'{SHOWN}_accuracy']:.4f} and "
            f"{found[f'{SHOWN}_excess_risk']:.4f} nats"
        )
    if f"{IDEAL}_accuracy" in found:
        clause += (
            f"; an ideal learner of this training has "
            f"{found[f'{IDEAL}_excess_risk']:.4f} nats"
        )
    if f"{TRAINED}_excess_risk" in found:
        clause += (
            f"; Bayes with the training prior has {found[f'{TRAINED}_excess_risk']:.4f}"
        )
    return Conclusion(found.below("excess_risk", found[f"{best}_excess_risk"]), clause)


SCOREBOARD = Analysis(
    question="Is the model nearer to exact Bayes than every classical estimator?",
    topic=Topic.RIGHT,
    measure=measure,
    summarise=summarise,
    draw=draw,
    verdict=_verdict,
    headline="excess_risk",
    beside=_beside,
)
