"""On a GPU a training ends as on the CPU, but for rounding."""

from pathlib import Path
from typing import Any

import pytest
import torch

from icl_mlflow.training.fit import Epoch, FittedModel, NonFiniteLossError, fit
from icl_mlflow.training.problem import initial_model, problem, training_batches
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.training.stacked.checkpoint import Keeping
from icl_mlflow.training.stacked.fit import Ended, fit_stacked
from icl_mlflow.training.stacked.joined import joined
from icl_mlflow.training.stacked.planning import stacks
from icl_mlflow.training.stacked.step import StackedOptimisation
from icl_mlflow.variants import VARIANTS
from icl_mlflow.variants.applicable import applicable_tasks

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")

TINY: dict[str, Any] = {
    "dim": 3,
    "n_context": 5,
    "d_model": 16,
    "n_heads": 2,
    "epochs": 2,
    "train_episodes": 160,
    "batch_size": 16,
    "lr": 3e-3,
    "val_episodes": 300,
    "test_episodes": 300,
    "threads": 1,
}

#: The keys' bias has no gradient but rounding noise, which Adam blows up.
NOISE = "in_proj_bias"


def tiny(**changes: Any) -> TrainSettings:
    return TrainSettings(**{**TINY, **changes})


def suite(**changes: Any) -> list[TrainSettings]:
    return [
        tiny(**changes, variant=name, task=task, seed=seed)
        for seed, name in enumerate(VARIANTS)
        for task in applicable_tasks(name)
        if task in {"A", "B"}  # what others draw makes no difference to a stack
    ]


def after_all_steps(
    members: tuple[TrainSettings, ...], device: str
) -> StackedOptimisation:
    models = [initial_model(one).to(device, torch.float64) for one in members]
    stack = StackedOptimisation(members, models)
    problems = [problem(one) for one in members]
    for step in range(members[0].total_steps):
        stack.step(joined(training_batches(members, problems, step)))
    return stack


def timeless(history: tuple[Epoch, ...]) -> list[dict[str, float]]:
    return [
        {n: v for n, v in epoch.metrics.items() if n != "episodes_per_second"}
        for epoch in history
    ]


def assert_alike(ours: Ended, theirs: Ended, close: float) -> None:
    assert isinstance(ours, FittedModel)
    assert isinstance(theirs, FittedModel)
    for mine, other in zip(
        timeless(ours.history), timeless(theirs.history), strict=True
    ):
        assert mine == pytest.approx(other, rel=0, abs=close)
    assert ours.test == pytest.approx(theirs.test, rel=0, abs=close)
    assert ours.model.device.type == "cpu"


@pytest.mark.parametrize("queries", [1, 3])
def test_recorded_steps_are_the_steps_of_the_cpu(queries: int) -> None:
    """With several queries the last steps have another shape, and a new recording."""
    for members in stacks(suite(queries=queries)):
        on_gpu, on_cpu = (after_all_steps(members, to) for to in ("cuda", "cpu"))
        ours, theirs = (s.taken(range(20)) for s in (on_gpu, on_cpu))
        torch.testing.assert_close(ours.loss_TR, theirs.loss_TR, rtol=0, atol=1e-10)
        assert torch.equal(ours.right_TR, theirs.right_TR)
        for index in range(len(members)):
            mine = on_gpu.weights(index)
            for name, value in on_cpu.weights(index).items():
                if not name.endswith(NOISE):
                    difference = (mine[name].cpu() - value).abs().max()
                    assert float(difference) <= 1e-10


def test_a_stack_on_a_gpu_ends_as_its_members_do_alone_on_the_cpu() -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"variant": "shuffled_context"},
        {"variant": "frozen_query_key+noisy_labels_0.2", "seed": 3},
        {"task": "B", "target": "bayes"},
    ]
    fits = fit_stacked([tiny(**change, device="cuda") for change in changes])
    for ours, change in zip(fits, changes, strict=True):
        assert_alike(ours, fit(tiny(**change, device="cpu")), 1e-4)


@pytest.mark.parametrize("target", ["labels", "bayes"])
def test_a_model_alone_on_a_gpu_ends_as_on_the_cpu(target: str) -> None:
    on_gpu, on_cpu = (fit(tiny(target=target, device=to)) for to in ("cuda", "cpu"))
    assert_alike(on_gpu, on_cpu, 1e-4)


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_lower_precisions_train_as_well(precision: str) -> None:
    members = [tiny(seed=seed, precision=precision, device="cuda") for seed in (0, 1)]
    for ours, settings in zip(fit_stacked(members), members, strict=True):
        exact = fit(tiny(seed=settings.seed, device="cpu"))
        assert_alike(ours, exact, 2e-2)
        assert_alike(fit(settings), exact, 2e-2)


def test_the_same_stack_gives_the_same_numbers_to_the_bit() -> None:
    members = [tiny(seed=seed, device="cuda") for seed in (0, 1)]
    for one, other in zip(fit_stacked(members), fit_stacked(members), strict=True):
        assert isinstance(one, FittedModel)
        assert isinstance(other, FittedModel)
        assert torch.equal(one.test_logit_B, other.test_logit_B)


def test_a_stack_that_was_cut_off_goes_on_to_the_same_end(tmp_path: Path) -> None:
    members = [tiny(seed=seed, device="cuda", queries=3) for seed in (0, 1)]

    def cut_off(_index: int, _epoch: Epoch) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_stacked(
            members, keeping=Keeping(folder=tmp_path / "first"), on_epoch=cut_off
        )
    keeping = Keeping(folder=tmp_path / "second", source=tmp_path / "first")
    again = fit_stacked(members, keeping=keeping)
    for one, other in zip(again, fit_stacked(members), strict=True):
        assert isinstance(one, FittedModel)
        assert isinstance(other, FittedModel)
        assert timeless(one.history) == timeless(other.history)
        assert torch.equal(one.test_logit_B, other.test_logit_B)


def test_a_member_that_diverges_fails_alone() -> None:
    wild = {"lr": 1e30, "clip_norm": 1e30}
    first, second = fit_stacked(
        [tiny(device="cuda"), tiny(seed=1, device="cuda", **wild)]
    )
    assert isinstance(second, NonFiniteLossError)
    assert_alike(first, fit(tiny(device="cpu")), 1e-4)
