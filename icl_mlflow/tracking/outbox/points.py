"""Points of metrics: what a run is told of its metrics, as a journal has it."""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from mlflow.entities import Metric

from icl_mlflow.tracking.outbox.records import Point
from icl_mlflow.tracking.store.mlflow_internals import checked_batch

T = TypeVar("T")


def metrics_of_rows(rows: Sequence[tuple[int, Mapping[str, float]]]) -> list[Metric]:
    """Metrics of now, from (step, values); a plus sign in a name becomes a colon.

    MLflow takes no plus sign in the name of a metric, and those of combined variants
    have one.
    """
    now = int(time.time() * 1000)
    return [
        Metric(key.replace("+", ":"), float(value), now, step)
        for step, values in rows
        for key, value in values.items()
    ]


def finite_points(metrics: Sequence[Metric]) -> list[Point]:
    """The points of those that are finite; MLflow would refuse none of them.

    Raises:
        MlflowException: a name that MLflow does not take.
    """
    finite = [metric for metric in metrics if math.isfinite(metric.value)]
    checked_batch(finite)
    return [(m.key, m.value, m.timestamp, m.step) for m in finite]


def batches(items: Sequence[T], size: int) -> Iterator[tuple[T, ...]]:
    """The items, so many at a time.

    >>> list(batches("abcde", 2))
    [('a', 'b'), ('c', 'd'), ('e',)]
    """
    for start in range(0, len(items), size):
        yield tuple(items[start : start + size])
