"""Learning curves: every epoch a row, and a verdict of who took off and when."""

from typing import Any

import pandas as pd
import pytest

from icl_mlflow.analysis.performance.learning_curves import (
    References,
    draw,
    measure,
    references,
    summarise,
    verdict,
)
from icl_mlflow.evaluation import evaluation_set
from icl_mlflow.tasks import TASKS
from icl_mlflow.tasks.chance import chance
from icl_mlflow.training.fit import Epoch

LINES = References(
    bayes_accuracy=0.8,
    bayes_loss=0.45,
    oracle_accuracy=0.84,
    oracle_loss=0.36,
    chance=chance(TASKS["A"]),
)


def history(*losses: float, risk: float = 0.02) -> tuple[Epoch, ...]:
    """An epoch a validation loss, each known to .006 nats."""
    return tuple(
        Epoch(
            epoch=number,
            metrics={
                "train/loss": loss + 0.01,
                "train/accuracy": 0.7,
                "val/loss": loss,
                "val/loss_standard_error": 0.006,
                "val/accuracy": 0.75,
                "val/excess_risk": risk,
            },
        )
        for number, loss in enumerate(losses)
    )


def of_seeds(*histories: tuple[Epoch, ...]) -> pd.DataFrame:
    frame = measure(enumerate(histories))
    return frame.assign(model=frame["seed"])


def test_every_epoch_is_a_row_and_the_last_ones_are_averaged() -> None:
    frame = measure([(0, history(0.69, 0.5)), (7, history(0.69, 0.6))])
    assert frame[["seed", "epoch"]].values.tolist() == [[0, 0], [0, 1], [7, 0], [7, 1]]
    assert summarise(frame)["val/loss"] == pytest.approx(0.55)
    assert "seed" not in summarise(frame)


def test_who_took_off_and_when_is_told() -> None:
    """ln 2 is .693: .69 is not surely below it, .6 and .5 are."""
    said = verdict(of_seeds(history(0.69, 0.5, 0.5), history(0.69, 0.69, 0.6)), LINES)
    assert said.startswith("Yes: 2 of 2 took off in epoch 1 to 2 (share, exact 95 %: ")
    assert "after 3 epochs the validation accuracy was 0.7500" in said
    assert "where exact Bayes expects 0.8000" in said
    stuck = verdict(of_seeds(history(0.69, 0.5), history(0.69, 0.69)), LINES)
    assert stuck.startswith("No: 1 of 2 took off in epoch 1 to 1 ")


def test_without_standard_errors_taking_off_cannot_be_told() -> None:
    frame = of_seeds(history(0.69, 0.5)).drop(columns="val/loss_standard_error")
    assert verdict(frame, LINES).startswith("Cannot be told: after 2 epochs ")


def test_curves_that_still_fall_are_counted() -> None:
    def falling(number: int) -> dict[str, Any]:
        return {"val/excess_risk": 0.1 * 0.5**number}

    settled = history(*[0.5] * 8)
    late = tuple(
        Epoch(epoch=one.epoch, metrics=one.metrics | falling(one.epoch))
        for one in settled
    )
    said = verdict(of_seeds(settled, late), LINES)
    assert "; 1 of 2 curves were still falling at the end." in said


def test_the_lines_are_those_of_the_exact_predictors() -> None:
    task = TASKS["B"]
    found = references(task, evaluation_set(task, task.sample(2_000)))
    assert found.oracle_accuracy == task.oracle().accuracy
    assert found.oracle_loss < found.bayes_loss < 0.6
    assert 0.8 < found.bayes_accuracy < found.oracle_accuracy


def test_the_figure_has_the_reference_lines_and_the_risk_where_it_was_measured() -> (
    None
):
    frame = measure([(0, history(0.69, 0.5))])
    accuracy, loss, _risk = draw(frame, LINES).axes
    assert {line.get_ydata()[0] for line in accuracy.lines} >= {0.8, 0.84, 0.5}
    assert {line.get_ydata()[0] for line in loss.lines} >= {0.45, 0.36}
    assert len(draw(frame.drop(columns="val/excess_risk"), LINES).axes) == 2
