"""What trains together has equal shapes and lengths, and fits into memory."""

from typing import Any

import pytest
import torch

from icl_mlflow.suite.grid import grid
from icl_mlflow.training.problem import initial_model
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.training.stacked.planning import (
    check_stackable,
    free_bytes,
    member_bytes,
    most_members,
    stacks,
)
from icl_mlflow.variants import VARIANTS

SETTINGS = TrainSettings.preset("smoke", device="cpu")


def shown(groups: list[tuple[TrainSettings, ...]]) -> list[list[str]]:
    return [[f"{m.variant} {m.seed}" for m in group] for group in groups]


def test_most_of_the_papers_suite_trains_as_one_stack() -> None:
    members = grid(TrainSettings(), list(VARIANTS), (0, 1, 2))
    groups = stacks(members)
    assert sorted(m.run_name for g in groups for m in g) == sorted(
        m.run_name for m in members
    )
    alone = {m.variant for group in groups[1:] for m in group}
    assert alone == {
        *("interleaved", "no_labels", "context_increase", "wide_position_table"),
        *("hidden_query", "pre_norm", "linear_attention", "mlp", "lstm"),
    }
    assert {len(group) for group in groups[1:]} == {3}


@pytest.mark.parametrize(
    "change",
    [
        {"dim": 5},
        {"n_context": 9},
        {"d_model": 16},
        {"n_layers": 3},
        {"n_heads": 2},
        {"batch_size": 32},
        {"epochs": 3},
        {"train_episodes": 2_560},
        {"precision": "bf16"},
        {"queries": 4},
        {"n_context_min": 2},
    ],
)
def test_other_shapes_and_lengths_train_apart(change: dict[str, Any]) -> None:
    other = TrainSettings.preset("smoke", device="cpu", **change)
    assert shown(stacks([SETTINGS, other])) == [["baseline 0"], ["baseline 0"]]
    with pytest.raises(ValueError, match="members of one stack have equal"):
        check_stackable([SETTINGS, other])


def test_tasks_recipes_and_seeds_train_together() -> None:
    changes: list[dict[str, Any]] = [
        {"task": "B"}, {"lr": 1e-2}, {"weight_decay": 1.0}, {"clip_norm": 0.1},
        {"warmup": 0.5}, {"seed": 7}, {"layer_init": "independent"}, {"tau": 1.0},
        {"val_episodes": 100}, {"test_episodes": 100}, {"eval_seed": 1},
    ]  # fmt: skip
    members = [TrainSettings.preset("smoke", device="cpu", **c) for c in changes]
    assert len(stacks(members)) == 1


def test_too_many_are_cut_into_parts_of_almost_equal_size() -> None:
    members = grid(SETTINGS, ["baseline"], range(10))
    assert [len(group) for group in stacks(members, lambda _: 4)] == [4, 3, 3]
    assert [len(group) for group in stacks(members, lambda _: 1)] == [1] * 10


def test_without_an_epoch_there_is_nothing_to_stack() -> None:
    members = grid(TrainSettings.preset("smoke", epochs=0), ["baseline"], (0, 1))
    assert [len(group) for group in stacks(members)] == [1, 1]
    with pytest.raises(ValueError, match="at least one epoch"):
        check_stackable(members)


def test_memory_is_enough_for_weights_and_activations_and_no_guess() -> None:
    small, wide, long = (
        member_bytes(TrainSettings.preset("smoke", device="cpu", **change))
        for change in ({}, {"d_model": 64}, {"batch_size": 128})
    )
    model = initial_model(SETTINGS)
    weights = 4 * sum(p.numel() for p in model.parameters())
    # Weights, gradient, two means; and the residual stream of every token, four times.
    stream = 4 * SETTINGS.batch_size * (SETTINGS.n_context + 1) * SETTINGS.d_model
    assert small > 4 * weights + 4 * stream
    assert small < 20 * weights + 200 * stream
    assert 1.8 < wide / small < 4
    assert 1.5 < long / small < 2.1
    assert most_members(SETTINGS, 100 * small) == 80
    assert most_members(SETTINGS, 1) == 1


def test_free_memory_is_at_most_what_the_machine_has() -> None:
    assert 1 << 24 < free_bytes(torch.device("cpu")) < 1 << 46
