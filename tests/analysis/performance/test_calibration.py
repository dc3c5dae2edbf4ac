"""Overconfidence is seen, and how sure the diagram is of it."""

from collections.abc import Callable

import pytest
from scipy.stats import binomtest

from icl_mlflow.analysis.base import Subject
from icl_mlflow.analysis.performance.calibration import CALIBRATION
from icl_mlflow.evaluation import ece


def test_an_overconfident_predictor_is_found_out(
    stand_in_of: Callable[..., Subject],
) -> None:
    loud = stand_in_of(lambda task, seen: 3 * task.bayes_logit(seen), episodes=5_000)
    frame = CALIBRATION.measure(loud)
    numbers = CALIBRATION.summarise(frame)
    assert numbers["ece_model"] > 0.1
    assert numbers["ece_bayes"] < 0.03
    assert numbers["ece_model"] == pytest.approx(ece(loud.logit_B, loud.truth.label_B))
    model = frame[frame["predictor"] == "model"]
    assert model["count"].sum() == 5_000
    # Its surest bins promise more than comes true, beyond what chance explains.
    assert (model["high"].iloc[-1]) < model["predicted"].iloc[-1]
    assert (model["low"].iloc[0]) > model["predicted"].iloc[0]


def test_intervals_are_wilson(stand_in_of: Callable[..., Subject]) -> None:
    bayes = stand_in_of(lambda task, seen: task.bayes_logit(seen), episodes=300)
    for row in CALIBRATION.measure(bayes).to_dict("records"):
        ones = round(row["observed"] * row["count"])
        exact = binomtest(ones, row["count"]).proportion_ci(method="wilson")
        assert (row["low"], row["high"]) == pytest.approx((exact.low, exact.high))
