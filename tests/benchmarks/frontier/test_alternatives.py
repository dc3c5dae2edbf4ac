"""The loop that is open to change trains as the package does, but for the change."""

from dataclasses import replace

import pytest
import torch

from benchmarks.frontier.alternatives import (
    ATTENTION_BY_LIKENESS,
    AVERAGED,
    MUON,
    NOISY_LABELS,
    OTHER_TASK_FIRST,
    PRE_NORM,
    SHORT_CONTEXTS,
    Alternative,
    excess_risk,
    likeness,
    noisy_labels,
    other_task,
    short_contexts,
)
from benchmarks.frontier.muon import MuonOptimisation
from icl_mlflow.tasks import TASKS
from icl_mlflow.training.fit import fit
from icl_mlflow.training.problem import (
    Problem,
    initial_model,
    problem,
    training_batch,
)
from icl_mlflow.training.settings import TrainSettings

SETTINGS = TrainSettings.preset(
    "smoke", target="bayes", curriculum="all", lr=3e-3, device="cpu", threads=1
)


def test_without_a_change_it_is_the_packages_own_training() -> None:
    epochs: list[None] = []
    nats = excess_risk(SETTINGS, Alternative(), lambda: epochs.append(None))
    assert nats == fit(SETTINGS).test["test/excess_risk"]
    assert len(epochs) == SETTINGS.epochs


def test_an_average_that_keeps_next_to_nothing_is_the_weights() -> None:
    followed = excess_risk(SETTINGS, Alternative(averaged=1e-9))
    assert followed == pytest.approx(excess_risk(SETTINGS, Alternative()), abs=1e-6)
    assert excess_risk(SETTINGS, AVERAGED) != pytest.approx(followed, abs=1e-6)


def test_pre_norm_is_what_is_trained_and_tested() -> None:
    initial = excess_risk(replace(SETTINGS, lr=1e-9), PRE_NORM)
    assert excess_risk(SETTINGS, PRE_NORM) < initial


def test_a_curriculum_takes_its_share_of_the_steps() -> None:
    seen: list[float] = []

    def note(chosen: Problem, progress: float, step: int) -> Problem:
        assert step == len(seen)
        seen.append(progress)
        return chosen

    settings = replace(SETTINGS, curriculum_share=0.5)
    excess_risk(settings, Alternative(eased=note))
    n_eased = settings.total_steps // 2
    assert seen == pytest.approx([step / n_eased for step in range(n_eased)])


def test_what_is_eased_is_what_is_trained_on() -> None:
    plain = excess_risk(SETTINGS, Alternative())
    for changed in (
        *(SHORT_CONTEXTS, NOISY_LABELS, OTHER_TASK_FIRST),
        *(ATTENTION_BY_LIKENESS, MUON),
    ):
        assert excess_risk(SETTINGS, changed) != pytest.approx(plain, abs=1e-6)


def test_contexts_grow_from_a_quarter() -> None:
    whole = problem(SETTINGS)
    sizes = [
        short_contexts(whole, progress, 0).n_context for progress in (0, 0.5, 0.99)
    ]
    assert sizes == [2, 5, 8]
    batch = training_batch(SETTINGS, short_contexts(whole, 0.0, 0), 0, "cpu")
    assert batch.seen.n_context == 2


def test_fewer_and_fewer_labels_are_flipped() -> None:
    whole = problem(SETTINGS)
    settings = replace(SETTINGS, batch_size=5_000, train_episodes=50_000)

    def flipped(progress: float) -> float:
        noisy = noisy_labels(whole, progress, 0)
        shown, drawn = (
            training_batch(settings, each, 0, "cpu").seen.context_y_BN
            for each in (noisy, whole)
        )
        return float((shown != drawn).double().mean())

    assert flipped(0.0) == pytest.approx(0.2, abs=0.01)
    assert flipped(0.5) == pytest.approx(0.1, abs=0.01)


def test_every_other_step_is_on_the_other_task() -> None:
    whole = problem(SETTINGS)
    first, second = (other_task(whole, 0.1, step) for step in (0, 1))
    assert first == whole
    assert type(second.task) is type(TASKS["B"])
    assert second.task.dim == SETTINGS.dim
    assert not second.easing


def test_attention_begins_by_likeness() -> None:
    """A token's score for another is that of the other for it, and for itself best."""
    model, plain = initial_model(SETTINGS), initial_model(SETTINGS)
    likeness(model)
    name = "transformer.layers.0.self_attn.in_proj_weight"
    query, key, value = model.get_parameter(name).chunk(3)
    torch.testing.assert_close(query, key)
    query_before, _, value_before = plain.get_parameter(name).chunk(3)
    torch.testing.assert_close(query, 2 * query_before)
    torch.testing.assert_close(value, value_before)


def test_muon_moves_hidden_matrices_alike_in_all_directions() -> None:
    settings = replace(SETTINGS, weight_decay=0.0)
    before, model = initial_model(settings), initial_model(settings)
    batch = training_batch(settings, problem(settings), 0, "cpu")
    MuonOptimisation(settings, model).step(batch)
    name = "transformer.layers.0.self_attn.out_proj.weight"
    moved = (model.get_parameter(name) - before.get_parameter(name)).detach()
    sizes = torch.linalg.svdvals(moved.double())
    assert sizes[len(sizes) // 2] > 0.5 * sizes[0] > 0  # AdamW's: a tenth
    head = model.get_parameter("head.weight") - before.get_parameter("head.weight")
    assert head.abs().max() > 0
