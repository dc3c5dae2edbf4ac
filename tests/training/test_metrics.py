"""An epoch's metrics have their tracked names and are what they say."""

import math
from dataclasses import replace

import pytest
import torch

from icl_mlflow.evaluation import EvaluationSet, evaluation_set, predict, scores
from icl_mlflow.models import Transformer
from icl_mlflow.tasks.shifted_mean import ShiftedMean
from icl_mlflow.training.metrics import training_metrics, validation_metrics
from icl_mlflow.training.problem import initial_model
from icl_mlflow.training.settings import TrainSettings
from tests.tiny import MODEL


def test_a_training_epoch_is_the_mean_of_its_steps() -> None:
    """Two steps of eight episodes, each with two queries, in half a second."""
    found = training_metrics(
        loss_T=torch.tensor([0.75, 0.5]),
        right_T=torch.tensor([10, 14]),
        gradient_norm_T=torch.tensor([1.0, 3.0]),
        rate=1e-3,
        n_episodes=16,
        n_answers=32,
        seconds=0.5,
    )
    assert found == {
        "train/loss": 0.625,
        "train/accuracy": 0.75,
        "lr": 1e-3,
        "grad_norm": 2.0,
        "episodes_per_second": 32.0,
    }


@pytest.fixture
def model() -> Transformer:
    return initial_model(TrainSettings(**MODEL)).eval()


def episodes(tau: float, n_episodes: int = 64) -> EvaluationSet:
    task = ShiftedMean(dim=3, tau=tau)
    return evaluation_set(task, task.sample(n_episodes, 4, stream="val"))


def test_validation_has_its_scores_and_a_standard_error(model: Transformer) -> None:
    here, far = episodes(1.0), episodes(9.0)
    found = validation_metrics(model, here, {"out_of_distribution": far})
    for where, truth in (("val", here), ("out_of_distribution", far)):
        exact = scores(predict(model, truth.seen), truth)
        for name in ("loss", "accuracy", "excess_risk"):
            assert found.pop(f"{where}/{name}") == exact[name]
    logit_B, label_B = predict(model, here.seen), here.label_B
    loss_B = -torch.where(label_B == 1, logit_B.sigmoid(), (-logit_B).sigmoid()).log()
    error = float(loss_B.std()) / math.sqrt(64)
    assert found == {"val/loss_standard_error": pytest.approx(error)}


def test_a_loss_that_is_not_a_number_is_told_and_has_no_error(
    model: Transformer,
) -> None:
    with torch.no_grad():
        model.get_parameter("head.bias").fill_(math.nan)
    found = validation_metrics(model, episodes(1.0), {})
    assert math.isnan(found["val/loss"])
    assert "val/loss_standard_error" not in found


def test_what_the_model_sees_is_what_it_answers(model: Transformer) -> None:
    """The exact answers belong to the episodes as drawn, the model's to those shown."""
    truth = episodes(1.0)
    flipped = replace(truth.seen, context_y_BN=1 - truth.seen.context_y_BN)
    shown = replace(truth, seen=flipped)
    assert validation_metrics(model, shown, {}) != validation_metrics(model, truth, {})
