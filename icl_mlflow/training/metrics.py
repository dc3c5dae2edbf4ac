"""The metrics of an epoch by tracked name: of its steps, and of its validation."""

import math
from collections.abc import Collection, Mapping

from torch import Tensor

from icl_mlflow.evaluation import (
    EvaluationSet,
    log_loss_standard_error,
    predict,
    scores,
)
from icl_mlflow.models import InContextModel

#: Metrics that a run may have in the store, so that its page can be read; whatever is
#: beyond stands in its tables.
MOST_METRICS = 20

#: Of `scores`, what every epoch keeps.
_BY_EPOCH = ("loss", "accuracy", "excess_risk")

#: The one number that a predictor is judged by.
HEADLINE = "excess_risk"


def training_metrics(
    *,
    loss_T: Tensor,
    right_T: Tensor,
    gradient_norm_T: Tensor,
    rate: float,
    n_episodes: int,
    n_answers: int,
    seconds: float,
) -> dict[str, float]:
    """An epoch's metrics by tracked name, of its T steps.

    Args:
        loss_T: of each step, nats.
        right_T: right answers in each step.
        gradient_norm_T: before clipping.
        rate: learning rate of the last step.
        n_episodes: in all steps together.
        n_answers: to all their queries; `right_T` counts among these.
        seconds: that the steps took.
    """
    return {
        "train/loss": float(loss_T.double().mean()),
        "train/accuracy": int(right_T.sum()) / n_answers,
        "lr": rate,
        "grad_norm": float(gradient_norm_T.double().mean()),
        "episodes_per_second": n_episodes / seconds,
    }


def validation_metrics(
    model: InContextModel,
    validation: EvaluationSet,
    elsewhere: Mapping[str, EvaluationSet],
) -> dict[str, float]:
    """The validation metrics of a model by tracked name; a loss may be NaN.

    Args:
        model: as it is after an epoch.
        validation: what the best epoch is chosen on.
        elsewhere: by name of a shift, what is only looked at:
            ``out_of_distribution/accuracy``, ...
    """
    found: dict[str, float] = {}
    for name, truth in {"val": validation, **elsewhere}.items():
        logit_B = predict(model, truth.seen.to(model.device))
        found |= _named(name, scores(logit_B, truth))
        error = log_loss_standard_error(logit_B, truth.label_B)
        if name == "val" and not math.isnan(error):
            found["val/loss_standard_error"] = error
    return found


def tracked(
    metrics: Mapping[str, float], elsewhere: Collection[str]
) -> dict[str, float]:
    """What the store gets of an epoch's metrics: of several shifts the risk alone.

    The others are in ``history.csv``.

    Args:
        metrics: of an epoch, by tracked name.
        elsewhere: names of the shifts that are looked at.

    >>> risks = {"val/loss": 0.5, "a/loss": 0.6, "a/excess_risk": 0.1}
    >>> tracked(risks, ["a", "b"])
    {'val/loss': 0.5, 'a/excess_risk': 0.1}
    """
    if len(elsewhere) <= 1:
        return dict(metrics)
    dropped = {f"{name}/{metric}" for name in elsewhere for metric in _BY_EPOCH} - {
        f"{name}/{HEADLINE}" for name in elsewhere
    }
    return {name: value for name, value in metrics.items() if name not in dropped}


def _named(where: str, found: Mapping[str, float]) -> dict[str, float]:
    return {f"{where}/{name}": found[name] for name in _BY_EPOCH}
