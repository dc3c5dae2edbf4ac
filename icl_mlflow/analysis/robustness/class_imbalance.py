"""Class imbalance: one class is rarer, in the context and for the query.

Every label is 1 with probability r, whatever it was in training. The exact Bayes
predictor that knows r adds log r / (1 - r) to the log-odds of fair labels; the one of
the training prior adds what it was trained to expect.
"""

import pandas as pd
from matplotlib.figure import Figure

from icl_mlflow.analysis import curves
from icl_mlflow.analysis.base import Analysis, Subject, Topic
from icl_mlflow.analysis.episodes import episodes_for
from icl_mlflow.analysis.findings import Conclusion, Findings
from icl_mlflow.evaluation import predict
from icl_mlflow.tasks.base import with_parameters
from icl_mlflow.tasks.wrappers.wrapped import lacks

_MOST = 1_000
_RATES = (0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9)
_X = "positive_rate"


def measure(subject: Subject) -> pd.DataFrame:
    """One row per rate and predictor; the columns of `curves.point`."""
    rows = []
    for rate in _RATES:
        known = {"prior": rate, "prior_concentration": 0.0}
        task = with_parameters(subject.task, known)
        truth = episodes_for(subject, task, most=_MOST)
        answers = {
            curves.MODEL: predict(subject.predictor, truth.seen),
            curves.BAYES: truth.bayes_B,
            curves.TRAINED_BAYES: subject.problem.task.bayes_logit(truth.episodes),
        }
        rows += curves.point({_X: rate}, answers, truth.bayes_B)
    return pd.DataFrame(rows)


def summarise(frame: pd.DataFrame) -> dict[str, float]:
    """The numbers of `curves.summarise_curve`."""
    return curves.summarise_curve(frame, _X)


def draw(frame: pd.DataFrame) -> Figure:
    """Accuracy and excess risk against the probability of y = 1."""
    return curves.draw_curves(frame, _X, "probability of y = 1", "linear")


def _beside(frame: pd.DataFrame) -> Figure:
    return curves.draw_beside(frame, _X, "probability of y = 1", "linear")


def _verdict(found: Findings) -> Conclusion:
    unaware = found["training_prior_excess_risk_at_0.9"]
    adapts = found.below("excess_risk_at_0.9", unaware)
    return Conclusion(
        adapts,
        f"where nine labels in ten are 1, the model is "
        f"{found.phrase('excess_risk_at_0.9', 'nats')} above Bayes that knows it, and "
        f"Bayes that expects the training's {unaware:.4f}; over all rates, the model "
        f"goes {curves.extremes(found.numbers)}",
    )


def _refuses(subject: Subject) -> str | None:
    missing = lacks(subject.task.core, "prior")
    if missing:
        return f"the task of {subject.name} has no {', '.join(missing)}"
    return None


CLASS_IMBALANCE = Analysis(
    question="Does the model adapt when one class is rarer than the other?",
    topic=Topic.RIGHT,
    measure=measure,
    summarise=summarise,
    draw=draw,
    verdict=_verdict,
    headline="excess_risk_at_0.9",
    beside=_beside,
    refuses=_refuses,
    most_episodes=_MOST,
)
