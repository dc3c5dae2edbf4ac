"""Holm's procedure as in the textbook, and at its level."""

import math

import numpy as np
import pytest

from icl_mlflow.statistics import holm


def test_textbook_example() -> None:
    # Sorted .005 .01 .03 .04, times 4 3 2 1: .02 .03 .06 .04; never falling: .06 last.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_one_test_needs_no_correction() -> None:
    assert holm([0.03]) == [0.03]


def test_adjusted_values_are_probabilities_in_the_order_of_the_raw_ones() -> None:
    raw = np.random.default_rng(0).uniform(size=20)
    adjusted = np.array(holm(raw))
    assert (adjusted >= raw).all()
    assert adjusted.max() == 1.0
    assert (np.diff(adjusted[raw.argsort()]) >= 0).all()


def test_any_false_call_is_as_rare_as_claimed() -> None:
    rng = np.random.default_rng(1)
    n_suites = 4_000
    any_called = np.mean(
        [min(holm(rng.uniform(size=10))) <= 0.05 for _ in range(n_suites)]
    )
    exact = 1 - (1 - 0.05 / 10) ** 10
    error = math.sqrt(exact * (1 - exact) / n_suites)
    assert any_called == pytest.approx(exact, abs=3 * error)


@pytest.mark.parametrize(
    ("bad", "message"),
    [([], "p_values is empty"), ([math.nan], r"p_values\[0\] is nan"), ([1.2], "1.2")],
)
def test_what_is_no_p_value_is_refused(bad: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        holm(bad)
