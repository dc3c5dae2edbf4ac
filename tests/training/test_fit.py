"""Training is repeatable, keeps its best epoch, stops at a bad loss, and learns."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from icl_mlflow.evaluation import log_loss, predict, scores
from icl_mlflow.training.fit import (
    Epoch,
    FittedModel,
    NonFiniteLossError,
    evaluation_episodes,
    fit,
)
from icl_mlflow.training.problem import initial_model, problem, training_batch
from icl_mlflow.training.settings import TrainSettings
from tests.tiny import TRAINING


def tiny(**changes: Any) -> TrainSettings:
    return TrainSettings(**{**TRAINING, "tau": 0.0, **changes})


def repeatable(fitted: FittedModel) -> list[dict[str, float]]:
    """The history without the one number that is a time."""
    return [
        {n: v for n, v in epoch.metrics.items() if n != "episodes_per_second"}
        for epoch in fitted.history
    ]


def equal_weights(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return all(torch.equal(value, second[name]) for name, value in first.items())


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_same_settings_give_the_same_run_to_the_bit(precision: str) -> None:
    torch.manual_seed(1)
    first = fit(tiny(precision=precision))
    torch.manual_seed(2)
    before = torch.get_rng_state()
    second = fit(tiny(precision=precision))
    assert torch.equal(torch.get_rng_state(), before)
    assert repeatable(first) == repeatable(second)
    assert first.test == second.test
    assert torch.equal(first.test_logit_B, second.test_logit_B)
    assert equal_weights(first.model.state_dict(), second.model.state_dict())


def test_another_seed_is_another_run_judged_on_the_same_episodes() -> None:
    first, second = fit(tiny(seed=0)), fit(tiny(seed=1))
    assert repeatable(first) != repeatable(second)
    assert torch.equal(
        first.test_set.episodes.query_x_BD, second.test_set.episodes.query_x_BD
    )
    for stream in ("validation", "test"):
        sets = [
            evaluation_episodes(settings, problem(settings), stream).episodes
            for settings in (tiny(seed=0), tiny(seed=1), tiny(eval_seed=1))
        ]
        assert torch.equal(sets[0].context_x_BND, sets[1].context_x_BND)
        assert not torch.equal(sets[0].context_x_BND, sets[2].context_x_BND)


def test_validation_and_test_share_no_episode_with_training() -> None:
    settings = tiny()
    chosen = problem(settings)
    seen = {
        tuple(row)
        for step in range(settings.total_steps)
        for row in training_batch(
            settings, chosen, step, "cpu"
        ).seen.query_x_BD.tolist()
    }
    assert len(seen) == settings.total_steps * settings.batch_size
    for stream in ("validation", "test"):
        held_out = evaluation_episodes(settings, chosen, stream).episodes
        rows = {tuple(row) for row in held_out.query_x_BD.tolist()}
        assert not rows & seen
        seen |= rows


def test_the_data_seed_alone_decides_the_episodes() -> None:
    settings = tiny(seed=1, data_seed=0)
    x_BND, same_x_BND = (
        training_batch(s, problem(s), 3, "cpu").seen.context_x_BND
        for s in (settings, tiny(seed=0))
    )
    assert torch.equal(x_BND, same_x_BND)
    weights = initial_model(settings).state_dict()
    assert equal_weights(weights, initial_model(tiny(seed=1)).state_dict())
    assert not equal_weights(weights, initial_model(tiny(seed=0)).state_dict())


def test_the_kept_weights_are_those_of_the_best_epoch_not_of_the_last() -> None:
    # At this rate the loss wanders, and the lowest is not the last.
    settings = tiny(lr=0.3, epochs=6)
    fitted = fit(settings)
    losses = [epoch.metrics["val/loss"] for epoch in fitted.history]
    assert fitted.best_epoch == losses.index(min(losses)) < 5
    validation = evaluation_episodes(settings, problem(settings), "validation")
    logit_B = predict(fitted.model, validation.seen)
    assert log_loss(logit_B, validation.label_B) == min(losses)
    assert not fitted.model.training


def test_epochs_are_evaluated_elsewhere_too_and_nothing_else_changes() -> None:
    plain = tiny(lr=0.3, epochs=6, variant="noisy_labels_0.2")
    settings = replace(plain, also_evaluate="all")
    assert settings.identity == plain.identity
    fitted, without = fit(settings), fit(plain)
    assert equal_weights(fitted.model.state_dict(), without.model.state_dict())
    shifts = {"out_of_distribution": 9.0, "no_nuisance": 0.0}
    assert fitted.best_epoch is not None
    metrics = fitted.history[fitted.best_epoch].metrics
    for name, tau in shifts.items():
        there = tiny(tau=tau, variant="noisy_labels_0.2")
        truth = evaluation_episodes(there, problem(there), "validation")
        found = scores(predict(fitted.model, truth.seen), truth)
        for metric in ("loss", "accuracy", "excess_risk"):
            assert metrics[f"{name}/{metric}"] == found[metric]
    own = [
        {n: v for n, v in epoch.items() if n.split("/")[0] not in shifts}
        for epoch in repeatable(fitted)
    ]
    assert own == repeatable(without)
    assert len({epoch.metrics["no_nuisance/loss"] for epoch in fitted.history}) == 6


def test_the_final_metrics_are_those_of_the_kept_weights_on_the_test_set() -> None:
    fitted = fit(tiny())
    logit_B = predict(fitted.model, fitted.test_set.seen)
    assert torch.equal(logit_B, fitted.test_logit_B)
    expected = log_loss(logit_B, fitted.test_set.label_B)
    assert fitted.test["test/loss"] == expected
    assert len(fitted.test_set) == 500


@pytest.mark.parametrize(
    # With one step an epoch, the validation is the first to meet the ruined weights.
    ("train_episodes", "batch_size"),
    [(640, 32), (32, 32)],
)
def test_a_loss_that_is_not_finite_stops_the_run_at_once(
    train_episodes: int, batch_size: int
) -> None:
    settings = tiny(
        lr=1e18, epochs=5, train_episodes=train_episodes, batch_size=batch_size
    )
    with pytest.raises(NonFiniteLossError, match="not finite at epoch 0") as caught:
        fit(settings)
    assert caught.value.epoch == 0
    assert caught.value.step <= 2
    assert caught.value.history == ()
    # No epoch was finished: the last good weights are the initial ones.
    assert equal_weights(caught.value.last_good, initial_model(settings).state_dict())


def test_the_last_good_weights_are_those_of_the_last_finished_epoch() -> None:
    # The weights grow with every step, and each epoch is one step: a few epochs are
    # finished before float32 overflows.
    settings = tiny(lr=1e5, epochs=20, train_episodes=32)
    finished: list[Epoch] = []
    with pytest.raises(NonFiniteLossError) as caught:
        fit(settings, on_epoch=finished.append)
    assert caught.value.epoch == len(finished) > 1
    assert caught.value.history == tuple(finished)
    validation = evaluation_episodes(settings, problem(settings), "validation")
    model = initial_model(settings)
    model.load_state_dict(caught.value.last_good)
    loss = log_loss(predict(model, validation.seen), validation.label_B)
    assert loss == finished[-1].metrics["val/loss"]


def test_the_history_is_what_was_reported() -> None:
    steps, epochs = [], []
    fitted = fit(tiny(), on_step=lambda: steps.append(None), on_epoch=epochs.append)
    assert len(steps) == 3 * 20
    assert tuple(epochs) == fitted.history
    assert [epoch.epoch for epoch in epochs] == [0, 1, 2]
    for epoch in epochs:
        assert set(epoch.metrics) == {
            "train/loss",
            "train/accuracy",
            "val/loss",
            "val/loss_standard_error",
            "val/accuracy",
            "val/excess_risk",
            "lr",
            "grad_norm",
            "episodes_per_second",
        }
        assert all(map(math.isfinite, epoch.metrics.values()))
        # A share of whole answers, counted.
        right = epoch.metrics["train/accuracy"] * 640
        assert right == pytest.approx(round(right), abs=1e-9)


def test_training_learns_most_of_what_bayes_knows() -> None:
    """Excess risk falls more than fivefold in three seconds, and all metrics follow."""
    settings = tiny(n_context=8, epochs=4, train_episodes=12_800, batch_size=64)
    settings = TrainSettings(**{**vars(settings), "lr": 5e-3, "test_episodes": 4_000})
    untrained = fit(TrainSettings(**{**vars(settings), "epochs": 0}))
    fitted = fit(settings)
    assert untrained.history == ()
    assert untrained.best_epoch is None
    assert fitted.test["test/excess_risk"] < untrained.test["test/excess_risk"] / 5
    assert fitted.test["test/excess_risk"] < 0.03
    assert fitted.test["test/accuracy"] > untrained.test["test/accuracy"] + 0.2
    assert fitted.test["test/auc"] > 0.85
    train = [epoch.metrics["train/loss"] for epoch in fitted.history]
    assert train == sorted(train, reverse=True)


def test_bf16_trains_like_fp32() -> None:
    exact, rounded = fit(tiny()), fit(tiny(precision="bf16"))
    for ours, theirs in zip(repeatable(rounded), repeatable(exact), strict=True):
        assert ours["train/loss"] == pytest.approx(theirs["train/loss"], abs=5e-3)
        assert ours["val/loss"] == pytest.approx(theirs["val/loss"], abs=5e-3)
        assert ours["lr"] == theirs["lr"]
    assert repeatable(rounded) != repeatable(exact)
    assert {value.dtype for value in rounded.model.state_dict().values()} == {
        torch.float32
    }


def test_threads_are_given_back() -> None:
    before = torch.get_num_threads()
    fit(tiny(epochs=0, threads=before + 1))
    assert torch.get_num_threads() == before
    with pytest.raises(NonFiniteLossError):
        fit(tiny(lr=1e18, threads=before + 1, epochs=1))
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("task", ["A", "B"])
def test_the_parameters_of_the_settings_reach_the_episodes(task: str) -> None:
    own = {"A": {"tau": 9.0}, "B": {"tau": None, "sigma_min": 1.0, "sigma_max": 1.5}}
    settings = tiny(task=task, **own[task])
    latents = evaluation_episodes(settings, problem(settings), "test").episodes.latents
    if task == "A":
        assert latents["shift"].std() == pytest.approx(9.0, rel=0.1)
    else:
        assert latents["sigma"].min() >= 1.0
        assert latents["sigma"].max() <= 1.5


def test_each_parameter_of_the_result_owns_its_memory() -> None:
    """Else whoever pickles a model pickles all of it for every parameter."""
    for parameter in fit(tiny()).model.parameters():
        own = parameter.numel() * parameter.element_size()
        assert parameter.untyped_storage().nbytes() == own
