"""Trusting labels that lie costs what it costs; knowing how many lie costs nothing."""

from collections.abc import Callable

import pandas as pd
import pytest
import torch

from icl_mlflow.analysis.base import Subject
from icl_mlflow.analysis.robustness.label_noise import LABEL_NOISE, knowing_bayes
from icl_mlflow.evaluation import log_loss
from icl_mlflow.streams import generator
from icl_mlflow.tasks import TASKS
from icl_mlflow.tasks.base import knows_corrupted_labels
from icl_mlflow.variants.context import flip_labels


def of(frame: pd.DataFrame, predictor: str) -> pd.DataFrame:
    return frame[frame["predictor"] == predictor].set_index("flip_rate")


#: The others have no posterior given flipped labels, and say so.
knowing = pytest.mark.parametrize(
    "task", [name for name, task in TASKS.items() if knows_corrupted_labels(task)]
)


@knowing
def test_the_trusting(task: str, stand_in_of: Callable[..., Subject]) -> None:
    """Shown the flipped labels, Bayes of the training prior is what it says it is."""
    trusting = stand_in_of(
        lambda task, seen: task.bayes_logit(seen),
        task=task, episodes=60, n_context=8, dim=16,
    )  # fmt: skip
    frame = LABEL_NOISE.measure(trusting)
    model, known = of(frame, "model"), of(frame, "Bayes")
    same = of(frame, "Bayes, training prior")
    pd.testing.assert_frame_equal(
        model.drop(columns="predictor"), same.drop(columns="predictor")
    )
    assert model.loc[0.0, "excess_risk"] == 0
    assert (model["excess_risk"][0.1:] > 0.005).all()
    assert model["excess_risk"].idxmax() == 0.5
    assert known["accuracy"][[0.0, 0.2, 0.4, 0.5]].is_monotonic_decreasing
    # Labels that lie half of the time tell nothing.
    assert known.loc[0.5, "accuracy"] == pytest.approx(0.5, abs=0.02)


@knowing
def test_knowing_the_rate_helps(task: str) -> None:
    chosen = TASKS[task]
    clean = chosen.sample(400, 16, stream="test")
    noisy = flip_labels(0.3)(clean, generator(0, "test flips"))
    label_B = noisy.query_y_B.double()
    known_B, error = knowing_bayes(chosen, noisy, 0.3, 0)
    known = log_loss(known_B, label_B)
    trusting = log_loss(chosen.bayes_logit(noisy), label_B)
    told = log_loss(chosen.bayes_logit(clean), label_B)
    assert told < known < trusting
    assert torch.equal(knowing_bayes(chosen, noisy, 0.3, 0)[0], known_B)
    # Task A integrates by chance, and says by how much it may be off; others do not.
    assert (error > 0) == (task == "A")
    assert error < 0.005
