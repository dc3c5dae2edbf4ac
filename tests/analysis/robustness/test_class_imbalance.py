"""Uneven labels with the law of x untouched, and the exact answer for them."""

import math
from collections.abc import Callable

import pandas as pd
import pytest
import torch

from icl_mlflow.analysis.base import Subject
from icl_mlflow.analysis.robustness.class_imbalance import CLASS_IMBALANCE, imbalanced
from icl_mlflow.evaluation import ece, log_loss
from icl_mlflow.tasks import TASKS

N_EPISODES = 4_000


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_labels_have_the_rate_that_was_asked_for(task: str, rate: float) -> None:
    episodes = imbalanced(TASKS[task], rate, N_EPISODES, 8, seed=0)
    assert episodes.context_x_BND.shape == (N_EPISODES, 8, TASKS[task].dim)
    for label in (episodes.query_y_B, episodes.context_y_BN):
        error = math.sqrt(rate * (1 - rate) / label.numel())
        assert float(label.double().mean()) == pytest.approx(rate, abs=3 * error)
    # Independent of each other: the query's label and the context's.
    pair = torch.stack([episodes.query_y_B, episodes.context_y_BN[:, 0]]).double()
    assert abs(float(torch.corrcoef(pair)[0, 1])) < 3 / math.sqrt(N_EPISODES)


@pytest.mark.parametrize("task", TASKS)
def test_the_law_of_x_given_its_label_is_as_it_was(task: str) -> None:
    """E[exp(-LLR) | y = 1] = 1 for the true law, and E[exp(LLR) | y = 0] = 1.

    In its bounded form: the oracle's posterior at the true rate predicts the labels.
    """
    rate = 0.8
    episodes = imbalanced(TASKS[task], rate, N_EPISODES, 8, seed=0)
    prior = math.log(rate / (1 - rate))
    p_B = (TASKS[task].oracle_llr(episodes) + prior).sigmoid()
    error_B = episodes.query_y_B.double() - p_B
    for weight_B in (torch.ones_like(p_B), p_B):
        value_B = error_B * weight_B
        standard_error = float(value_B.std()) / math.sqrt(N_EPISODES)
        assert abs(float(value_B.mean())) < 3 * standard_error


@pytest.mark.parametrize("task", TASKS)
def test_bayes_that_knows_the_rate_is_calibrated(task: str) -> None:
    rate = 0.8
    episodes = imbalanced(TASKS[task], rate, 20_000, 8, seed=0)
    label_B = episodes.query_y_B.double()
    fair_B = TASKS[task].bayes_logit(episodes)
    knowing_B = fair_B + math.log(rate / (1 - rate))
    assert ece(knowing_B, label_B) <= 0.012
    assert ece(fair_B, label_B) > 0.05
    assert log_loss(knowing_B, label_B) < log_loss(fair_B, label_B)


def test_a_learner_that_believes_in_fair_labels(
    stand_in_of: Callable[..., Subject],
) -> None:
    fair = stand_in_of(lambda task, seen: task.bayes_logit(seen), episodes=100)
    frame = CLASS_IMBALANCE.measure(fair)

    def of(predictor: str) -> pd.DataFrame:
        rows = frame[frame["predictor"] == predictor]
        return rows.set_index("positive_rate").drop(columns="predictor")

    pd.testing.assert_frame_equal(of("model"), of("Bayes, training prior"))
    excess = of("model")["excess_risk"]
    assert excess.loc[0.5] == 0
    assert excess.loc[0.1] > excess.loc[0.35] > 0
    assert excess.loc[0.9] > excess.loc[0.65] > 0
    assert of("Bayes")["accuracy"].loc[0.9] > 0.9 > of("model")["accuracy"].loc[0.9]
