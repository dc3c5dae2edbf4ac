"""The course of training: every number of every checkpoint against its epoch."""

import math

import pandas as pd
import pytest

from icl_mlflow.analysis.report.answer import Measurement
from icl_mlflow.analysis.report.course import Stage, courses, draw, series, table
from tests.analysis.report.test_answer import PLANTED


def stage(run: str, epoch: int, size: float, **more: float) -> Stage:
    """Weights whose planted number is ``size``."""
    measured = Measurement(
        model=f"{run}-epoch{epoch}",
        group="baseline",
        frame=pd.DataFrame({"size": [size]}),
        numbers={"size": size, **more},
    )
    return Stage(run=run, epoch=epoch, measured=measured)


TWO_RUNS = [
    stage("seed0", 1, 3.0),
    stage("seed0", 0, 1.0),
    stage("seed1", 0, 2.0),
    stage("seed1", 1, 5.0),
]


def test_the_verdict_is_of_the_last_epoch_and_the_table_of_all() -> None:
    (answer,) = courses("planted", PLANTED, TWO_RUNS)
    assert answer.verdict == "Yes: it is 4.0. After epoch 1."
    assert answer.metrics["planted/size"] == 4.0
    assert answer.frame.to_dict("list") == {
        "model": ["seed0", "seed1", "seed0", "seed1"],
        "epoch": [0, 0, 1, 1],
        "size": [1.0, 2.0, 3.0, 5.0],
    }


def test_a_run_that_ended_sooner_is_told_with_its_own_last_epoch() -> None:
    (answer,) = courses("planted", PLANTED, TWO_RUNS[:3])
    assert answer.verdict == "Yes: it is 2.5. After epoch 0, 1."


def test_a_metric_has_the_mean_over_runs_at_each_epoch() -> None:
    assert series("planted", TWO_RUNS) == [
        (0, {"planted/size": 1.5}),
        (1, {"planted/size": 4.0}),
    ]
    broken = [*TWO_RUNS, stage("seed2", 1, math.nan)]
    assert [epoch for epoch, _ in series("planted", broken)] == [0]


def test_every_number_is_a_panel_with_a_line_for_each_run() -> None:
    more = {"other": 1.0, "size/low": 0.0}
    frame = table([stage("a$b", epoch, 0.5 * epoch, **more) for epoch in range(3)])
    assert list(frame.columns) == ["model", "epoch", "size", "other"]
    figure = draw(frame)
    assert [axes.get_title() for axes in figure.axes] == ["size", "other"]
    (line,) = figure.axes[0].lines
    assert list(line.get_xdata()) == [0, 1, 2]
    assert list(line.get_ydata()) == pytest.approx([0, 0.5, 1.0])
    (many,) = [draw(table(TWO_RUNS))]
    assert len(many.axes[0].lines) == 2
    assert many.axes[0].get_legend() is not None
