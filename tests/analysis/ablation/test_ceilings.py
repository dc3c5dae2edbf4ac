"""Variants of a suite have the ceilings of what they are shown and taught."""

import math

import pytest
import torch

from icl_mlflow.analysis.ablation.ceilings import ceilings
from icl_mlflow.training.settings import TrainSettings

SETTINGS = TrainSettings.preset("smoke", test_episodes=64)


def test_what_training_labels_teach_bounds_a_variant() -> None:
    names = ["baseline", "noisy_labels_0.4", "noisy_labels_0.5", "noisy_labels_1"]
    found = ceilings(SETTINGS, names)
    assert found["noisy_labels_0.4"].shown == found["baseline"].shown
    assert found["noisy_labels_0.4"].ideal.loss > found["baseline"].ideal.loss
    assert not found["baseline"].ideal.is_chance
    assert found["noisy_labels_0.5"].ideal.is_chance


def test_without_labels_guessing_is_the_ceiling() -> None:
    found = ceilings(SETTINGS, ["no_labels"])["no_labels"]
    assert found.shown.is_chance
    assert found.ideal.loss == pytest.approx(math.log(2))
    assert found.shown_B is not None
    assert (found.shown_B == 0).all()


def test_what_only_changes_the_model_leaves_the_ceilings_as_they_are() -> None:
    found = ceilings(SETTINGS, ["baseline", "no_position", "shuffled_context"])
    assert found["no_position"] is found["baseline"]
    # Another order of the same points: other episodes to the eye, the same answers.
    in_order, shuffled = found["baseline"].shown_B, found["shuffled_context"].shown_B
    assert in_order is not None
    assert shuffled is not None
    torch.testing.assert_close(in_order, shuffled, rtol=1e-6, atol=1e-6)


def test_a_longer_context_is_another_ceiling() -> None:
    found = ceilings(SETTINGS, ["baseline", "context_increase"])
    assert found["context_increase"].shown.loss < found["baseline"].shown.loss
