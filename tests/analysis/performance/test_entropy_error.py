"""The entropy error is the distance of the entropies, episode by episode."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from icl_mlflow.analysis.base import Subject
from icl_mlflow.analysis.performance.entropy_error import ENTROPY_ERROR
from tests.analysis.concluded import concluded

StandInOf = Callable[..., Subject]


def bits(logit_B: Tensor) -> Tensor:
    p_B = logit_B.sigmoid()
    return torch.special.entr(torch.stack([p_B, 1 - p_B])).sum(0) / math.log(2)


def test_it_is_measured_at_every_length(stand_in_of: StandInOf) -> None:
    """Of a model that is twice as sure as it may be."""
    subject = stand_in_of(lambda task, seen: 2 * task.bayes_logit(seen), episodes=2_000)
    frame = ENTROPY_ERROR.measure(subject)
    assert list(frame["n_context"]) == [1, 2, 3, 4, 5]
    assert (frame["entropy_mae_bits_low"] > 0).all()
    bayes_B = subject.truth.bayes_B
    exact = float((bits(2 * bayes_B) - bits(bayes_B)).abs().mean())
    assert frame["entropy_mae_bits"].iloc[-1] == pytest.approx(exact, rel=1e-5)
    said = concluded(ENTROPY_ERROR, frame)
    assert said.startswith("No: at the trained context length its entropy is off by ")


def test_a_wrong_answer_may_be_as_unsure_as_it_should_be(
    stand_in_of: StandInOf,
) -> None:
    """The opposite of exact Bayes has its entropy in every episode."""
    opposite = stand_in_of(lambda task, seen: -task.bayes_logit(seen), episodes=100)
    frame = ENTROPY_ERROR.measure(opposite)
    assert frame["entropy_mae_bits"].max() < 1e-12
    assert concluded(ENTROPY_ERROR, frame).startswith("Yes: ")


def test_the_training_prior_stands_beside_a_shift(stand_in_of: StandInOf) -> None:
    shifted = stand_in_of(
        lambda task, seen: task.bayes_logit(seen), shifts={"tau": 9.0}, episodes=100
    )
    frame = ENTROPY_ERROR.measure(shifted)
    assert set(frame["predictor"]) == {"model", "Bayes, training prior"}
