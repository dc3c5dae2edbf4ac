"""A model that is a kernel vote is recognised as that kernel."""

from collections.abc import Callable

import pytest

from icl_mlflow.analysis.base import Subject
from icl_mlflow.analysis.mechanism.kernel_regression import KERNEL_REGRESSION
from icl_mlflow.estimators import ESTIMATORS
from tests.analysis.concluded import concluded


@pytest.mark.parametrize("kernel", ["kernel_dot", "kernel_rbf", "kernel_log_norm"])
def test_a_kernel_in_the_place_of_the_model(
    kernel: str, stand_in_of: Callable[..., Subject]
) -> None:
    votes = stand_in_of(lambda task, seen: 3 * ESTIMATORS[kernel](task, seen))
    numbers = KERNEL_REGRESSION.summarise(KERNEL_REGRESSION.measure(votes))
    assert numbers[f"{kernel}_pearson"] == pytest.approx(1, abs=1e-12)
    others = {"kernel_dot", "kernel_rbf", "kernel_log_norm"} - {kernel}
    for other in others:
        assert numbers[f"{other}_pearson"] < 0.99
        assert numbers[f"{other}_pearson/low"] < numbers[f"{other}_pearson"]


def test_by_which_kernel_is_said(stand_in_of: Callable[..., Subject]) -> None:
    votes = stand_in_of(ESTIMATORS["kernel_rbf"])
    said = concluded(KERNEL_REGRESSION, KERNEL_REGRESSION.measure(votes))
    assert said.startswith("Yes: of the kernel votes the one by distance (tuned RBF) ")
    assert "Pearson 1.000" in said
    bayes = stand_in_of(lambda task, seen: task.bayes_logit(seen), episodes=200)
    said = concluded(KERNEL_REGRESSION, KERNEL_REGRESSION.measure(bayes))
    assert said.startswith("Cannot be told: ")
