"""A learner that believes in the training prior is told from one that adapts."""

from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import torch

from icl_mlflow.analysis.base import Subject
from icl_mlflow.analysis.robustness.named_shifts import NAMED_SHIFTS
from icl_mlflow.analysis.robustness.parameter_sweep import PARAMETER_SWEEP
from icl_mlflow.tasks import TASKS
from icl_mlflow.tasks.base import with_parameters

METRICS = ["accuracy", "excess_risk"]


def of(frame: pd.DataFrame, predictor: str) -> pd.DataFrame:
    return frame[frame["predictor"] == predictor].reset_index(drop=True)


@pytest.mark.parametrize("task", TASKS)
def test_the_believer(task: str, stand_in_of: Callable[..., Subject]) -> None:
    """Its curve is that of the training prior, 0 where the prior is right."""
    believer = stand_in_of(
        lambda task, seen: task.bayes_logit(seen), task=task, episodes=100
    )
    frame = PARAMETER_SWEEP.measure(believer)
    model, bayes = of(frame, "model"), of(frame, "Bayes, training prior")
    np.testing.assert_array_equal(model[METRICS], bayes[METRICS])
    at_home = model["value"] == model["trained"]
    assert at_home.sum() == model["parameter"].nunique() >= 1
    assert (model["excess_risk"][at_home] == 0).all()
    assert (model["excess_risk"][~at_home] > 0).all()
    assert (of(frame, "Bayes")["excess_risk"] == 0).all()
    assert set(frame["parameter"]) == set(TASKS[task].sweeps)


def test_points_share_their_random_numbers(stand_in_of: Callable[..., Subject]) -> None:
    """At the task's own value the episodes are the subject's."""
    subject = stand_in_of(lambda task, seen: task.bayes_logit(seen), episodes=100)
    frame = of(PARAMETER_SWEEP.measure(subject), "Bayes")
    own = frame[frame["value"] == 3]
    p_B = subject.truth.bayes_B.sigmoid()
    expected = float(torch.maximum(p_B, 1 - p_B).mean())
    assert own["accuracy"].item() == pytest.approx(expected, rel=1e-12)


def test_values_that_contradict_the_task_are_left_out(
    stand_in_of: Callable[..., Subject],
) -> None:
    narrow = stand_in_of(
        lambda task, seen: task.bayes_logit(seen),
        task="B",
        sigma_max=0.9,
        episodes=50,
    )
    frame = PARAMETER_SWEEP.measure(narrow)
    low = frame[frame["parameter"] == "sigma_min"]["value"]
    assert low.max() < 0.9
    assert 0.9 in set(frame[frame["parameter"] == "sigma_max"]["value"])


def test_the_oracle_stands_at_its_exact_constant(
    stand_in_of: Callable[..., Subject],
) -> None:
    subject = stand_in_of(
        lambda task, seen: task.bayes_logit(seen), task="B", episodes=50
    )
    for row in of(PARAMETER_SWEEP.measure(subject), "oracle").to_dict("records"):
        task = with_parameters(subject.task, {row["parameter"]: row["value"]})
        assert row["accuracy"] == task.oracle().accuracy


def test_a_task_without_sweeps_or_shifts_is_refused_by_name(
    subject_of: Callable[..., Subject],
) -> None:
    class Plain:
        sweeps: ClassVar[dict[str, tuple[float, ...]]] = {}
        shifts: ClassVar[dict[str, dict[str, float]]] = {}

    subject = subject_of()
    problem = replace(subject.problem, task=Plain())
    bare = replace(subject, task=Plain(), problem=problem)
    for analysis in (PARAMETER_SWEEP, NAMED_SHIFTS):
        reason = analysis.refuses(bare)
        assert reason is not None
        assert subject.name in reason
