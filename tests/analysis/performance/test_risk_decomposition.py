"""The three parts add up to the log-loss, and each is what its name says."""

import math
from collections.abc import Callable

import pytest

from icl_mlflow.analysis.base import Subject
from icl_mlflow.analysis.performance.risk_decomposition import RISK_DECOMPOSITION
from icl_mlflow.tasks import TASKS
from tests.analysis.concluded import concluded

StandInOf = Callable[..., Subject]


def doubled(stand_in_of: StandInOf, task: str) -> Subject:
    """Twice the exact log-odds: too sure by as much at every length."""
    return stand_in_of(
        lambda t, seen: 2 * t.bayes_logit(seen),
        task=task,
        episodes=2_000,
        dim=4,
        n_context=6,
    )


@pytest.mark.parametrize("task", TASKS)
def test_the_parts_add_up_to_the_log_loss(task: str, stand_in_of: StandInOf) -> None:
    frame = RISK_DECOMPOSITION.measure(doubled(stand_in_of, task))
    parts = frame["noise"] + frame["latents"] + frame["own"]
    # Both are of 2 000 episodes, whose labels the parts need not see.
    assert (parts - frame["log_loss"]).abs().max() < 4 * 0.9 / math.sqrt(2_000)
    # Without a context not even Bayes knows anything.
    first = frame.iloc[0]
    assert first["noise"] + first["latents"] == pytest.approx(math.log(2), abs=0.03)
    assert first["own"] == 0
    assert frame["latents"].is_monotonic_decreasing
    assert frame["noise"].nunique() == 1


def test_exact_bayes_has_no_part_of_its_own(stand_in_of: StandInOf) -> None:
    bayes = stand_in_of(lambda task, seen: task.bayes_logit(seen), episodes=400)
    frame = RISK_DECOMPOSITION.measure(bayes)
    assert (frame["own"] == 0).all()
    assert concluded(RISK_DECOMPOSITION, frame).startswith("Yes: ")


def test_the_training_prior_stands_beside_a_shift(stand_in_of: StandInOf) -> None:
    shifted = stand_in_of(
        lambda task, seen: task.bayes_logit(seen), shifts={"tau": 9.0}, episodes=200
    )
    frame = RISK_DECOMPOSITION.measure(shifted).assign(model="A-baseline-seed0")
    assert (frame["trained"][1:] > 0).all()
    axes = RISK_DECOMPOSITION.draw(frame).axes[0]
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert "Bayes, training prior" in labels
