"""Who uses all of the context, and who only some of it, shows in the curve."""

from collections.abc import Callable

import pandas as pd
import pytest

from icl_mlflow.analysis.base import Subject
from icl_mlflow.analysis.performance.context_length import CONTEXT_LENGTH, lengths
from tests.analysis.concluded import concluded


def excess(frame: pd.DataFrame) -> pd.Series:
    return frame[frame["predictor"] == "model"].set_index("n_context")["excess_risk"]


def test_a_model_that_reads_only_four_points_is_found_out(
    stand_in_of: Callable[..., Subject],
) -> None:
    lazy = stand_in_of(
        lambda task, seen: task.bayes_logit(seen.first(4)), episodes=200, n_context=16
    )
    frame = CONTEXT_LENGTH.measure(lazy)
    found = excess(frame)
    assert list(found.index) == [0, 1, 2, 4, 8, 12, 16]
    assert (found[:4] == 0).all()
    assert (found[8:].diff().dropna() > 0).all()
    bayes = frame[frame["predictor"] == "Bayes"].set_index("n_context")
    assert bayes.loc[0, "accuracy"] == 0.5
    assert bayes["accuracy"].is_monotonic_increasing
    said = concluded(CONTEXT_LENGTH, frame)
    assert f"at the trained one it is {found[16]:.4f} nats (95 %: " in said


@pytest.mark.parametrize("task", ["A", "B"])
def test_lengths_reach_as_far_as_the_position_table(
    task: str, subject_of: Callable[..., Subject]
) -> None:
    wide = subject_of(task=task, variant="wide_position_table", n_context=8)
    found = CONTEXT_LENGTH.measure(wide)
    assert list(excess(found).index) == [0, 1, 2, 4, 6, 8, 12, 16]
    assert (found["n_trained"] == 8).all()
    plain = CONTEXT_LENGTH.measure(subject_of(task=task, n_context=8))
    assert plain["n_context"].max() == 8


def test_the_trained_length_and_the_ends_are_always_there() -> None:
    assert lengths(1, 1) == [0, 1]
    assert lengths(5, 5) == [0, 1, 2, 3, 4, 5]
    assert {0, 7, 100} <= set(lengths(7, 100))


def test_a_shifted_task_brings_the_training_prior(
    stand_in_of: Callable[..., Subject],
) -> None:
    shifted = stand_in_of(
        lambda task, seen: task.bayes_logit(seen), shifts={"tau": 9.0}, episodes=100
    )
    frame = CONTEXT_LENGTH.measure(shifted)
    believing = frame[frame["predictor"] == "Bayes, training prior"]
    assert (believing.set_index("n_context")["excess_risk"][1:] > 0).all()
    assert (excess(frame) == 0).all()
