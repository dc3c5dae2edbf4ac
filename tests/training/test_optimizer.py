"""The learning rate follows its schedule, step by step, and AdamW is as asked for."""

import math
from typing import Any

import pytest
import torch

from icl_mlflow.training.optimizer import optimizer_and_schedule
from icl_mlflow.training.settings import TrainSettings


def settings(**changes: Any) -> TrainSettings:
    """Forty steps."""
    forty = {"epochs": 4, "train_episodes": 320, "batch_size": 32, "lr": 1e-3}
    return TrainSettings(**{**forty, **changes})


def steps(chosen: TrainSettings) -> list[tuple[float, float]]:
    """Rate and first beta of every step."""
    optimizer, schedule = optimizer_and_schedule(
        chosen, [torch.zeros(2, requires_grad=True)]
    )
    (group,) = optimizer.param_groups
    found = []
    for _ in range(chosen.total_steps):
        found.append((float(group["lr"]), float(group["betas"][0])))
        optimizer.step()
        schedule.step()
    return found


def rates(**changes: Any) -> list[float]:
    return [rate for rate, _ in steps(settings(**changes))]


def test_the_rate_rises_for_three_tenths_and_then_falls_to_almost_nothing() -> None:
    found = rates()
    assert found[0] == pytest.approx(1e-3 / 25)
    assert max(found) == found[11] == pytest.approx(1e-3)  # 0.3 * 40 steps
    assert found[:12] == sorted(found[:12])
    assert found[11:] == sorted(found[11:], reverse=True)
    assert found[-1] == pytest.approx(1e-3 / 25 / 1e4)
    # Halfway up a cosine is halfway between its ends.
    middle = (1 - math.cos(math.pi * 5 / 11)) / 2
    assert found[5] == pytest.approx(1e-3 * (1 / 25 + 24 / 25 * middle))


def test_the_first_beta_moves_against_the_rate() -> None:
    found = steps(settings())
    assert found[0][1] == pytest.approx(0.95)
    assert found[11][1] == pytest.approx(0.85)
    assert found[-1][1] == pytest.approx(0.95)
    assert {beta for _, beta in steps(settings(schedule="linear"))} == {0.9}


def test_the_linear_schedule_rises_and_falls_in_straight_lines() -> None:
    found = [rate / 1e-3 for rate in rates(schedule="linear", warmup=0.2)]
    assert found[:8] == pytest.approx([(i + 1) / 8 for i in range(8)])
    assert found[8:] == pytest.approx([(40 - i) / 32 for i in range(8, 40)])


def test_the_warmup_moves_the_peak() -> None:
    found = rates(warmup=0.5)
    assert found.index(max(found)) == 19


def test_adamw_has_the_settings_second_beta_and_decay() -> None:
    chosen = settings(beta2=0.95, weight_decay=0.1)
    optimizer, _ = optimizer_and_schedule(chosen, [torch.zeros(2, requires_grad=True)])
    (group,) = optimizer.param_groups
    assert (group["betas"][1], group["weight_decay"]) == (0.95, 0.1)
