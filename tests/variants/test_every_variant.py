"""Contracts that every variant keeps, including the one that is added next."""

from functools import cache

import pytest
import torch

from icl_mlflow.training.fit import FittedModel, evaluation_episodes, fit
from icl_mlflow.training.problem import initial_model, problem
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.variants import VARIANTS
from icl_mlflow.variants.applicable import applicable_tasks

COMBINED = (
    "noisy_labels_0.25",
    "frozen_query_key+no_position",
    "context_increase+interleaved",
    "no_labels+shuffled_context",
)
NAMES = (*VARIANTS, *COMBINED)


def two_tasks(place: int, name: str) -> set[str]:
    """Of the tasks that can have the variant, two; of the baseline, all."""
    able = applicable_tasks(name)
    two = {able[place % len(able)], able[(place + 1) % len(able)]}
    return set(able) if name == "baseline" else two


CASES = [
    (name, task)
    for place, name in enumerate(NAMES)
    for task in sorted(two_tasks(place, name))
]


def settings(name: str, task: str) -> TrainSettings:
    return TrainSettings.preset(
        "smoke",
        variant=name,
        task=task,
        dim=4,
        n_context=5,
        d_model=16,
        epochs=1,
        train_episodes=96,
        batch_size=16,
        val_episodes=48,
        test_episodes=48,
        device="cpu",
        threads=1,
    )


@cache
def fitted(name: str, task: str) -> FittedModel:
    return fit(settings(name, task))


@pytest.mark.parametrize("name", NAMES)
def test_it_asks_a_question(name: str) -> None:
    question = VARIANTS[name].question
    assert question.endswith("?")
    assert "\n" not in question


@pytest.mark.parametrize(("name", "task"), CASES)
def test_training_is_reproducible_to_the_bit(name: str, task: str) -> None:
    first, again = fitted(name, task), fit(settings(name, task))
    weights = again.model.state_dict()
    for parameter, value in first.model.state_dict().items():
        assert torch.equal(value, weights[parameter]), parameter
    assert torch.equal(first.test_logit_B, again.test_logit_B)


@pytest.mark.parametrize(("name", "task"), CASES)
def test_frozen_entries_stay_bit_equal_and_all_else_moves(name: str, task: str) -> None:
    before = dict(initial_model(settings(name, task)).named_parameters())
    after = dict(fitted(name, task).model.named_parameters())
    assert before.keys() == after.keys()
    for parameter, start in before.items():
        held = VARIANTS[name].frozen(parameter, start)
        if held is None:
            held = torch.zeros_like(start, dtype=torch.bool)
        assert torch.equal(start[held], after[parameter][held]), parameter
        assert held.all() or not torch.equal(start[~held], after[parameter][~held])


@pytest.mark.parametrize(("name", "task"), CASES)
def test_evaluation_is_deterministic(name: str, task: str) -> None:
    chosen = problem(settings(name, task))
    first = evaluation_episodes(settings(name, task), chosen, "validation").seen
    torch.rand(1)
    again = evaluation_episodes(settings(name, task), chosen, "validation").seen
    assert torch.equal(first.context_x_BND, again.context_x_BND)
    assert torch.equal(first.context_y_BN, again.context_y_BN)
