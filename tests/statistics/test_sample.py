"""Only numbers count, and an error says which value is not one."""

import math

import pytest

from icl_mlflow.statistics.sample import check_level, finite_array, finite_sample


def test_values_become_float64() -> None:
    sample = finite_sample("losses", [1, 2])
    assert sample.dtype == float
    assert sample.tolist() == [1.0, 2.0]


def test_an_error_names_the_argument_and_the_entry() -> None:
    with pytest.raises(ValueError, match=r"^losses\[2\] is nan; every value must be"):
        finite_sample("losses", [0.1, 0.2, math.nan])
    with pytest.raises(ValueError, match=r"^risk\[0\]\[1\] is -inf;"):
        finite_array("risk", [[0.0, -math.inf]])
    with pytest.raises(ValueError, match=r"^risk is empty"):
        finite_array("risk", [[]])


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0, math.nan])
def test_a_level_is_a_probability(level: float) -> None:
    with pytest.raises(ValueError, match="power must be between 0 and 1"):
        check_level(level, "power")
