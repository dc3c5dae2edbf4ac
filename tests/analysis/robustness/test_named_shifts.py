"""Each named shift of a task is a row, beside Bayes that expects none."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from icl_mlflow.analysis.base import Subject
from icl_mlflow.analysis.robustness.named_shifts import NAMED_SHIFTS
from icl_mlflow.tasks import TASKS
from tests.analysis.concluded import concluded

METRICS = ["accuracy", "excess_risk"]
StandInOf = Callable[..., Subject]


def of(frame: pd.DataFrame, predictor: str) -> pd.DataFrame:
    return frame[frame["predictor"] == predictor].reset_index(drop=True)


@pytest.mark.parametrize("task", TASKS)
def test_named_shifts_are_the_tasks_own(task: str, stand_in_of: StandInOf) -> None:
    believer = stand_in_of(
        lambda task, seen: task.bayes_logit(seen), task=task, episodes=100
    )
    frame = NAMED_SHIFTS.measure(believer)
    assert list(frame["shift"].unique()) == ["as trained", *TASKS[task].shifts]
    model, bayes = of(frame, "model"), of(frame, "Bayes, training prior")
    np.testing.assert_array_equal(model[METRICS], bayes[METRICS])
    numbers = NAMED_SHIFTS.summarise(frame)
    assert numbers["as_trained_excess_risk"] == 0
    for shift in TASKS[task].shifts:
        assert numbers[f"{shift}_excess_risk"] > 0
        same = numbers[f"{shift}_training_prior_excess_risk"]
        assert numbers[f"{shift}_excess_risk"] == same


def test_a_learner_that_expects_no_shift_bears_it_as_bayes_does_that_expects_none(
    stand_in_of: StandInOf,
) -> None:
    believer = stand_in_of(lambda task, seen: task.bayes_logit(seen), episodes=1_000)
    said = concluded(NAMED_SHIFTS, NAMED_SHIFTS.measure(believer))
    assert said.startswith("Yes: above Bayes that knows the shift")
    sure = stand_in_of(lambda task, seen: 3 * task.bayes_logit(seen), episodes=1_000)
    assert concluded(NAMED_SHIFTS, NAMED_SHIFTS.measure(sure)).startswith("No: ")


def test_the_figure_names_each_shift_with_its_parameters(
    stand_in_of: StandInOf,
) -> None:
    believer = stand_in_of(lambda task, seen: task.bayes_logit(seen), episodes=20)
    frame = NAMED_SHIFTS.measure(believer).assign(model="A-baseline-seed0")
    axes = NAMED_SHIFTS.draw(frame).axes[0]
    labels = [label.get_text() for label in axes.get_xticklabels()]
    shifts = TASKS["A"].shifts.items()
    assert labels == ["as trained"] + [
        name.replace("_", " ") + "".join(f"\n{k} = {v:g}" for k, v in changes.items())
        for name, changes in shifts
    ]
