"""A step is the textbook's: AdamW, one cycle of rate and momentum, clipping."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from icl_mlflow.models import Transformer
from icl_mlflow.training.problem import initial_model, problem, training_batch
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.training.step import Optimisation, Step
from icl_mlflow.variants.base import nothing_frozen

SETTINGS = TrainSettings(
    dim=3,
    n_context=5,
    d_model=16,
    n_heads=2,
    epochs=4,
    train_episodes=320,
    batch_size=32,
    lr=1e-3,
    weight_decay=0.1,
    device="cpu",
)


def run(
    settings: TrainSettings, model: Transformer, frozen: Any = nothing_frozen
) -> list[Step]:
    """All steps of the settings, on the settings' own episodes."""
    optimisation = Optimisation(settings, model, frozen)
    chosen = problem(settings)
    return [
        optimisation.step(training_batch(settings, chosen, index, "cpu"))
        for index in range(settings.total_steps)
    ]


def loss_of(model: Transformer, settings: TrainSettings, index: int) -> Tensor:
    episodes = training_batch(settings, problem(settings), index, "cpu").seen
    logit_B = model(episodes.context_x_BND, episodes.context_y_BN, episodes.query_x_BD)
    return binary_cross_entropy_with_logits(logit_B, episodes.query_y_B.float())


def test_training_is_the_textbook_loop() -> None:
    """Loss by loss and weight by weight, with torch's defaults written out."""
    ours, textbook = initial_model(SETTINGS), initial_model(SETTINGS)
    steps = run(SETTINGS, ours)

    optimizer = torch.optim.AdamW(textbook.parameters(), lr=1e-3, weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=1e-3,
        epochs=4,
        steps_per_epoch=10,
        pct_start=0.3,
        anneal_strategy="cos",
        cycle_momentum=True,
        base_momentum=0.85,
        max_momentum=0.95,
        div_factor=25.0,
        final_div_factor=1e4,
    )
    for index, step in enumerate(steps):
        optimizer.zero_grad()
        loss = loss_of(textbook, SETTINGS, index)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(textbook.parameters(), 1.0)
        assert step.rate == optimizer.param_groups[0]["lr"]
        optimizer.step()
        schedule.step()
        assert float(step.loss) == pytest.approx(loss.item(), abs=2e-6)
        assert float(step.gradient_norm) == pytest.approx(norm.item(), rel=1e-4)
    weights = textbook.state_dict()
    for name, value in ours.state_dict().items():
        if not name.endswith("in_proj_bias"):  # the keys' has no gradient but noise
            torch.testing.assert_close(value, weights[name], rtol=0, atol=2e-5)


def test_a_linear_recipe_is_the_textbooks_too() -> None:
    """AdamW with a constant first beta and the second as given, by hand."""
    settings = TrainSettings(
        **{**vars(SETTINGS), "schedule": "linear", "beta2": 0.9, "clip_norm": 1e9}
    )
    ours, textbook = initial_model(settings), initial_model(settings)
    steps = run(settings, ours)
    value = textbook.get_parameter("head.weight")
    optimizer = torch.optim.AdamW(
        textbook.parameters(), lr=1e-3, betas=(0.9, 0.9), weight_decay=0.1
    )
    for index, step in enumerate(steps):
        optimizer.param_groups[0]["lr"] = 1e-3 * min(
            (index + 1) / 12, (40 - index) / 28, 1.0
        )
        optimizer.zero_grad()
        loss_of(textbook, settings, index).backward()
        optimizer.step()
        assert step.rate == pytest.approx(optimizer.param_groups[0]["lr"])
    torch.testing.assert_close(
        ours.get_parameter("head.weight"), value, rtol=0, atol=2e-5
    )


def test_bf16_steps_follow_float32_ones_roughly() -> None:
    """Losses within what eight bits of mantissa allow, and weights kept in float32."""
    low = TrainSettings(**{**vars(SETTINGS), "precision": "bf16"})
    model = initial_model(low)
    losses = [float(step.loss) for step in run(low, model)]
    exact = [float(step.loss) for step in run(SETTINGS, initial_model(SETTINGS))]
    assert losses == pytest.approx(exact, abs=0.02)
    assert losses != exact
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_what_a_step_reports_was_measured_before_it_moved() -> None:
    model = initial_model(SETTINGS)
    expected = loss_of(model, SETTINGS, 0)
    expected.backward()
    norm = torch.cat([p.grad.flatten() for p in model.parameters()]).norm()
    (first, *_) = run(SETTINGS, initial_model(SETTINGS))
    assert torch.equal(first.loss, expected.detach())
    assert float(first.gradient_norm) == pytest.approx(float(norm), rel=1e-5)
    episodes = training_batch(SETTINGS, problem(SETTINGS), 0, "cpu").seen
    logit_B = model(episodes.context_x_BND, episodes.context_y_BN, episodes.query_x_BD)
    assert int(first.right) == int(((logit_B > 0) == (episodes.query_y_B == 1)).sum())


def test_a_small_clip_norm_does_not_change_what_is_reported() -> None:
    settings = TrainSettings(**{**vars(SETTINGS), "clip_norm": 1e-6})
    clipped, free = (run(s, initial_model(s))[0] for s in (settings, SETTINGS))
    assert torch.equal(clipped.gradient_norm, free.gradient_norm)


def test_clipping_bounds_the_gradient_that_is_used() -> None:
    """Adam ignores the scale of the gradients, but not one far below its epsilon."""
    settings = TrainSettings(
        **{**vars(SETTINGS), "clip_norm": 1e-12, "weight_decay": 0.0}
    )
    before, after = initial_model(settings), initial_model(settings)
    run(settings, after)
    for start, end in zip(before.parameters(), after.parameters(), strict=True):
        torch.testing.assert_close(start, end, rtol=0, atol=1e-5)


HEAD, TABLE = "head.weight", "pos_emb"
PROJECTION = "transformer.layers.0.self_attn.in_proj_weight"


def partly_frozen(name: str, value: Tensor) -> Tensor | None:
    """The whole position table, and the first rows of one projection."""
    mask = torch.zeros_like(value, dtype=torch.bool)
    if name == TABLE:
        return ~mask
    if name == PROJECTION:
        mask[:20] = True
        return mask
    return None


def test_what_is_frozen_stays_to_the_bit_and_the_rest_moves() -> None:
    before, after = initial_model(SETTINGS), initial_model(SETTINGS)
    run(SETTINGS, after, partly_frozen)  # with a weight decay that would move it
    start, end = before.state_dict(), after.state_dict()
    assert torch.equal(start[TABLE], end[TABLE])
    assert torch.equal(start[PROJECTION][:20], end[PROJECTION][:20])
    assert (start[PROJECTION][20:] != end[PROJECTION][20:]).all()
    moved = [name for name in start if not torch.equal(start[name], end[name])]
    assert set(moved) == set(start) - {TABLE}


def test_what_is_frozen_does_not_count_towards_clipping() -> None:
    model = initial_model(SETTINGS)
    loss_of(model, SETTINGS, 0).backward()
    squares = 0.0
    for name, parameter in model.named_parameters():
        mask = partly_frozen(name, parameter)
        free = parameter.grad if mask is None else parameter.grad[~mask]
        squares += float(free.square().sum())
    (first, *_) = run(SETTINGS, initial_model(SETTINGS), partly_frozen)
    assert float(first.gradient_norm) == pytest.approx(math.sqrt(squares), rel=1e-5)
