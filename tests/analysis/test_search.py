"""The figure of a search shows every trial; the best one has the lowest risk."""

import math

import pandas as pd
import pytest

from icl_mlflow.analysis.search import best_trial, draw

TRIALS = pd.DataFrame(
    {
        "trial": [0, 1, 2, 3],
        "state": ["finished", "pruned", "finished", "failed"],
        "excess_risk": [0.2, 0.004, 0.01, math.nan],
        "lr": [1e-3, 1e-2, 2e-3, 1e-4],
        "schedule": ["linear", "linear", "one_cycle", "linear"],
    }
)


def test_every_trial_is_shown_and_so_is_the_best_so_far() -> None:
    figure = draw(TRIALS, {"lr": True, "schedule": False}, "title")
    in_order, by_lr, by_schedule = figure.axes
    shown = {line.get_label(): line for line in in_order.lines}
    assert list(shown["finished"].get_ydata()) == [0.2, 0.01]
    assert list(shown["pruned"].get_ydata()) == [0.004]
    assert list(shown["best so far"].get_ydata()) == [0.2, 0.01]
    assert by_lr.get_xscale() == "log"
    assert by_schedule.get_xlabel() == "schedule"
    assert in_order.get_yscale() == "log"  # the risks span decades


def test_a_trial_that_was_cut_short_is_never_the_best() -> None:
    best = best_trial(TRIALS)
    assert best is not None
    assert (best["trial"], best["excess_risk"]) == (2, pytest.approx(0.01))
    assert best_trial(TRIALS[TRIALS["state"] != "finished"]) is None
