"""A curve that still falls at the end is flagged, and one that has settled is not."""

import math

import numpy as np
import pytest

from icl_mlflow.statistics import falling_at_end


def test_a_falling_curve_is_measured() -> None:
    epochs = np.arange(20)
    found = falling_at_end(0.2 * np.exp(-0.1 * epochs))
    assert found == pytest.approx(1 - math.exp(-0.4))  # the last five epochs


def test_a_curve_that_has_settled_is_not_falling() -> None:
    rng = np.random.default_rng(0)
    flat = 0.02 * np.exp(0.05 * rng.standard_normal((400, 20)))
    said = np.mean([falling_at_end(curve) > 0 for curve in flat])
    assert said <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 400)
    rising = 0.02 * np.exp(0.1 * np.arange(20))
    assert falling_at_end(rising) == 0.0
    # Surely falling, but by next to nothing.
    assert falling_at_end(0.02 * np.exp(-0.001 * np.arange(20))) == 0.0


def test_three_epochs_cannot_tell() -> None:
    assert math.isnan(falling_at_end([0.3, 0.2, 0.1]))
