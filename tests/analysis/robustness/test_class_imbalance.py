"""Uneven labels, and a learner that does not expect them."""

from collections.abc import Callable

import pandas as pd

from icl_mlflow.analysis.base import Subject
from icl_mlflow.analysis.robustness.class_imbalance import CLASS_IMBALANCE


def test_a_learner_that_believes_in_fair_labels(
    stand_in_of: Callable[..., Subject],
) -> None:
    fair = stand_in_of(lambda task, seen: task.bayes_logit(seen), episodes=1_000)
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


def test_one_that_was_trained_on_rare_ones_is_best_where_they_are_rare(
    stand_in_of: Callable[..., Subject],
) -> None:
    trained = stand_in_of(
        lambda task, seen: task.bayes_logit(seen), episodes=100, prior=0.1
    )
    frame = CLASS_IMBALANCE.measure(trained)
    own = frame[frame["predictor"] == "model"].set_index("positive_rate")
    assert own["excess_risk"].loc[0.1] == 0
    assert own["excess_risk"].is_monotonic_increasing
