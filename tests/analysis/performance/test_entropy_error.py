"""The entropy error is the distance of the entropies, episode by episode."""

import math
from collections.abc import Callable
from dataclasses import replace

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


def test_a_model_of_several_lengths_must_keep_to_the_bar_at_each(
    stand_in_of: StandInOf,
) -> None:
    """Of one that is exact but for its shortest contexts."""
    subject = stand_in_of(
        lambda task, seen: (2 if seen.n_context < 3 else 1) * task.bayes_logit(seen),
        episodes=2_000,
    )
    for low, said in (
        (None, "Yes: at the trained"),
        (3, "Yes: it was trained on 3 to 5 points, and at 3 of these 3 lengths"),
        (2, "No: it was trained on 2 to 5 points, and at 3 of these 4 lengths"),
    ):
        settings = replace(subject.settings, n_context_min=low)
        frame = ENTROPY_ERROR.measure(replace(subject, settings=settings))
        assert concluded(ENTROPY_ERROR, frame).startswith(said)
        numbers = ENTROPY_ERROR.summarise(frame)
        assert (numbers["worst_entropy_mae_bits"] > 1e-3) == (low == 2)
        assert numbers["excess_risk_at_1"] > numbers["excess_risk_at_3"] == 0
    entropy, risk = ENTROPY_ERROR.draw(frame.assign(model="A-baseline-seed0")).axes
    assert entropy.get_ylabel() == "entropy error (bits)"
    assert risk.get_ylabel() == "excess risk (nats)"
