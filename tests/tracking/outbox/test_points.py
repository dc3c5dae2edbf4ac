"""Metrics become points: finite ones, under names that MLflow takes."""

import math
import time

import pytest
from mlflow.exceptions import MlflowException

from icl_mlflow.tracking.outbox.points import finite_points, metrics_of_rows


def test_rows_become_points_of_now_and_what_is_not_finite_is_left_out() -> None:
    before = int(time.time() * 1000)
    metrics = metrics_of_rows([(0, {"a": 1}), (3, {"a": 0.5, "b": math.nan})])
    assert len(metrics) == 3
    first, second = finite_points(metrics)
    assert (first[0], first[1], first[3]) == ("a", 1.0, 0)
    assert (second[0], second[1], second[3]) == ("a", 0.5, 3)
    assert before <= first[2] == second[2]


def test_names_of_combined_variants_are_spelled_as_mlflow_takes_them() -> None:
    (metric,) = metrics_of_rows([(0, {"x/no_position+no_labels": 1.0})])
    assert metric.key == "x/no_position:no_labels"
    with pytest.raises(MlflowException):
        finite_points(metrics_of_rows([(0, {"a\nb": 1.0})]))
