"""A stack of models takes the steps that each of them would take alone."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from icl_mlflow.models import Transformer
from icl_mlflow.training.problem import (
    Batch,
    initial_model,
    problem,
    training_batch,
    training_batches,
)
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.training.stacked.joined import joined
from icl_mlflow.training.stacked.planning import stacks
from icl_mlflow.training.stacked.step import StackedOptimisation
from icl_mlflow.training.step import Optimisation
from icl_mlflow.variants import VARIANTS
from icl_mlflow.variants.applicable import applicable_tasks

STEPS = 20
TINY: dict[str, Any] = {
    "dim": 3,
    "n_context": 5,
    "d_model": 16,
    "n_heads": 2,
    "epochs": 2,
    "train_episodes": 16 * STEPS // 2,
    "batch_size": 16,
    "lr": 3e-3,
    "weight_decay": 0.1,
    "device": "cpu",
}

#: The keys' bias has no gradient but rounding noise, which Adam blows up.
NOISE = "in_proj_bias"


def suite(**changes: Any) -> list[TrainSettings]:
    """Every listed variant and a mixture, on the tasks that can have them."""
    names = [*VARIANTS, "frozen_query_key+no_position+noisy_labels_0.3"]
    return [
        TrainSettings(**{**TINY, **changes, "variant": name, "task": task, "seed": i})
        for i, name in enumerate(names)
        for task in applicable_tasks(name)
        if task in {"A", "B"}  # what others draw makes no difference to a stack
    ]


def double(batch: Batch) -> Batch:
    seen = replace(
        batch.seen,
        context_x_BND=batch.seen.context_x_BND.double(),
        query_x_BD=batch.seen.query_x_BD.double(),
    )
    return replace(
        batch,
        seen=seen,
        query_x_BQD=batch.query_x_BQD.double(),
        target_BQ=batch.target_BQ.double(),
    )


def alone(
    settings: TrainSettings, dtype: torch.dtype
) -> tuple[Transformer, list[tuple[float, ...]]]:
    """A model after all its steps, each by itself, and what the steps reported."""
    model, chosen = initial_model(settings).to(dtype), problem(settings)
    optimisation = Optimisation(settings, model, chosen.variant.frozen)
    reported = []
    for index in range(settings.total_steps):
        batch = training_batch(settings, chosen, index, "cpu")
        step = optimisation.step(double(batch) if dtype == torch.float64 else batch)
        reported.append(
            (float(step.loss), int(step.right), float(step.gradient_norm), step.rate)
        )
    return model, reported


def together(members: list[TrainSettings], dtype: torch.dtype) -> StackedOptimisation:
    """A stack after all its steps."""
    models = [initial_model(settings).to(dtype) for settings in members]
    stack = StackedOptimisation(members, models)
    problems = [problem(settings) for settings in members]
    for index in range(members[0].total_steps):
        stack.step(joined(training_batches(members, problems, index)))
    return stack


def reports(stack: StackedOptimisation, index: int) -> list[tuple[float, ...]]:
    taken = stack.taken(range(STEPS))
    columns = (
        taken.loss_TR[:, index].tolist(),
        taken.right_TR[:, index].tolist(),
        taken.gradient_norm_TR[:, index].tolist(),
        taken.rate_TR[:, index].tolist(),
    )
    return list(zip(*columns, strict=True))


def largest_difference(
    stack: StackedOptimisation, index: int, model: Transformer
) -> float:
    """Of any weight but the keys' bias."""
    weights = stack.weights(index)
    assert set(weights) == set(model.state_dict())
    return max(
        float((weights[name] - value).abs().max())
        for name, value in model.state_dict().items()
        if not name.endswith(NOISE)
    )


@pytest.mark.parametrize("members", stacks(suite()), ids=len)
def test_twenty_steps_together_are_twenty_steps_alone(
    members: tuple[TrainSettings, ...],
) -> None:
    stack = together(list(members), torch.float64)
    for index, settings in enumerate(members):
        model, reported = alone(settings, torch.float64)
        for ours, theirs in zip(reports(stack, index), reported, strict=True):
            assert ours == pytest.approx(theirs, rel=0, abs=1e-10)
        assert largest_difference(stack, index, model) <= 1e-10


def test_rates_targets_curricula_and_clipping_are_each_members_own() -> None:
    recipes = [
        {"lr": 1e-3},
        {"lr": 1e-2, "clip_norm": 0.05},
        {"warmup": 0.6, "weight_decay": 0.5},
        {"schedule": "linear", "beta2": 0.95},
        {"target": "bayes"},
        {"curriculum": "separation"},
    ]
    members = [TrainSettings(**{**TINY, **recipe}) for recipe in recipes]
    stack = together(members, torch.float64)
    for index, settings in enumerate(members):
        model, reported = alone(settings, torch.float64)
        assert reports(stack, index)[-1] == pytest.approx(reported[-1], abs=1e-10)
        assert largest_difference(stack, index, model) <= 1e-10


def test_contexts_so_long_that_a_model_alone_fuses_its_attention() -> None:
    length = {"n_context": 130, "train_episodes": 48, "epochs": 1, "warmup": 0.5}
    members = [TrainSettings(**{**TINY, **length, "seed": seed}) for seed in (0, 1)]
    stack = together(members, torch.float64)
    for index, settings in enumerate(members):
        model, reported = alone(settings, torch.float64)
        losses = stack.taken(range(3)).loss_TR[:, index].tolist()
        assert losses == pytest.approx([step[0] for step in reported], abs=1e-10)
        assert largest_difference(stack, index, model) <= 1e-10


@pytest.mark.parametrize(("precision", "close"), [("fp32", 1e-5), ("bf16", 2e-2)])
def test_rounding_is_all_that_sets_a_stack_apart(precision: str, close: float) -> None:
    members = [
        TrainSettings(**{**TINY, "variant": name, "seed": seed, "precision": precision})
        for name in ("baseline", "frozen_attention", "shuffled_labels")
        for seed in (0, 1)
    ]
    stack = together(members, torch.float32)
    for index, settings in enumerate(members):
        _, reported = alone(settings, torch.float32)
        for ours, theirs in zip(reports(stack, index), reported, strict=True):
            assert ours[0] == pytest.approx(theirs[0], rel=0, abs=close)


def test_what_is_held_stays_to_the_bit_in_its_own_model_alone() -> None:
    members = [
        TrainSettings(**{**TINY, "variant": name})
        for name in ("frozen_query_key", "no_position", "baseline")
    ]
    stack = together(members, torch.float32)
    for index, settings in enumerate(members):
        start, end = initial_model(settings).state_dict(), stack.weights(index)
        for name, value in start.items():
            held = problem(settings).variant.frozen(name, value)
            held = torch.zeros_like(value, dtype=torch.bool) if held is None else held
            assert torch.equal(value[held], end[name][held])
            if not held.all() and not name.endswith(NOISE):
                assert (value[~held] != end[name][~held]).any()


def test_a_model_that_diverges_takes_no_other_with_it() -> None:
    wild = {"lr": 1e30, "clip_norm": 1e30}
    members = [TrainSettings(**{**TINY, **recipe}) for recipe in ({}, wild, {})]
    stack = together(members, torch.float32)
    taken = stack.taken(range(STEPS))
    assert not taken.loss_TR[:, 1].isfinite().all()
    _, reported = alone(members[0], torch.float32)
    for index in (0, 2):
        losses = taken.loss_TR[:, index].tolist()
        assert losses == pytest.approx([step[0] for step in reported], abs=1e-5)


def test_a_model_can_be_taken_out_with_its_weights_of_now() -> None:
    members = [TrainSettings(**{**TINY, "seed": seed}) for seed in (0, 1)]
    stack = together(members, torch.float32)
    batch = training_batch(members[1], problem(members[1]), 0, "cpu").seen
    model = stack.model(1)
    trained, _ = alone(members[1], torch.float32)
    seen = (batch.context_x_BND, batch.context_y_BN, batch.query_x_BD)
    torch.testing.assert_close(model(*seen), trained(*seen), rtol=0, atol=1e-5)
