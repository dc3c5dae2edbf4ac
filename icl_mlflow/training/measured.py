"""What an epoch measured, by tracked name: of its steps, and on the validation set."""

import math

from torch import Tensor

from icl_mlflow.evaluation import (
    EvaluationSet,
    log_loss_standard_error,
    predict,
    scores,
)
from icl_mlflow.models import Transformer


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
    model: Transformer, validation: EvaluationSet
) -> dict[str, float]:
    """The validation metrics of a model by tracked name; a loss may be NaN."""
    logit_B = predict(model, validation.seen.to(model.device))
    found = scores(logit_B, validation)
    kept = {f"val/{name}": found[name] for name in ("loss", "accuracy", "excess_risk")}
    error = log_loss_standard_error(logit_B, validation.label_B)
    return kept if math.isnan(error) else kept | {"val/loss_standard_error": error}
