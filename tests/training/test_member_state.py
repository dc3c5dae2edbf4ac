"""A run under way: kept and restored to the bit, and a copy that later steps leave."""

from dataclasses import replace

import pytest
import torch

from icl_mlflow.training.checkpoint import Checkpoint, DamagedCheckpointError
from icl_mlflow.training.member_state import (
    Epoch,
    MemberState,
    best_epoch,
    epochs_of,
    snapshot,
)
from icl_mlflow.training.problem import initial_model, problem, training_batch
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.training.step import Optimisation
from icl_mlflow.variants.base import nothing_frozen
from tests.tiny import TRAINING

SETTINGS = TrainSettings(**TRAINING)  # twenty steps an epoch


def fresh() -> MemberState:
    model = initial_model(SETTINGS)
    return MemberState(SETTINGS, Optimisation(SETTINGS, model, nothing_frozen))


def take(state: MemberState, n_steps: int) -> None:
    chosen = problem(SETTINGS)
    for _ in range(n_steps):
        batch = training_batch(SETTINGS, chosen, state.step, "cpu")
        state.taken.append(state.optimisation.step(batch))


def two_epochs_and_three_steps() -> MemberState:
    """The first epoch is the better one."""
    state = fresh()
    for loss in (0.5, 0.6):
        take(state, 20)
        state.finish_epoch({"val/loss": loss})
    take(state, 3)
    state.seconds = 1.5
    return state


def equal(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(value, theirs[name]) for name, value in ours.items())


def test_it_knows_how_far_it_is_and_which_weights_were_best() -> None:
    state = two_epochs_and_three_steps()
    assert state.step == 43
    assert state.history.best_epoch == 0
    assert not equal(state.history.best, state.history.last_good)
    assert not equal(state.history.last_good, snapshot(state.optimisation.model))


def test_before_the_first_epoch_the_best_weights_are_the_initial_ones() -> None:
    state = fresh()
    take(state, 2)
    assert state.history.best_epoch is None
    assert equal(state.history.best, snapshot(initial_model(SETTINGS)))


def test_what_is_restored_goes_on_as_if_nothing_had_happened() -> None:
    straight, other = two_epochs_and_three_steps(), fresh()
    other.restore(straight.checkpoint())
    assert (other.step, other.seconds) == (43, 1.5)
    assert other.history.epochs == straight.history.epochs
    assert equal(other.history.best, straight.history.best)
    assert equal(other.history.last_good, straight.history.last_good)
    for state in (straight, other):
        take(state, 5)  # AdamW's moments and the rate are part of it
    assert [float(s.loss) for s in other.taken] == [
        float(s.loss) for s in straight.taken
    ]
    assert equal(
        snapshot(other.optimisation.model), straight.optimisation.model.state_dict()
    )


def test_a_checkpoint_shares_no_memory_with_the_run() -> None:
    state = fresh()
    kept = state.checkpoint()
    before = {name: value.clone() for name, value in kept.tensors.items()}
    take(state, 1)
    assert equal(dict(kept.tensors), before)


def test_what_does_not_fit_is_refused_and_changes_nothing() -> None:
    kept = two_epochs_and_three_steps().checkpoint()
    wrong: list[tuple[Checkpoint, str]] = [
        (replace(kept, step=44), "it is of step 43, not 44"),
        (replace(kept, facts={}), "it does not say how far it is"),
        (replace(kept, tensors={}), "it lacks, or has too many of"),
        (
            replace(kept, tensors={n: v.double() for n, v in kept.tensors.items()}),
            "another shape or type",
        ),
    ]
    state = fresh()
    for misfit, message in wrong:
        with pytest.raises(DamagedCheckpointError, match=message):
            state.restore(misfit)
    assert state.step == 0
    assert equal(
        snapshot(state.optimisation.model), initial_model(SETTINGS).state_dict()
    )


def test_a_change_that_was_cut_off_leaves_it_not_whole() -> None:
    state = fresh()
    with state.changing():
        assert not state.is_whole
    assert state.is_whole
    with pytest.raises(KeyboardInterrupt), state.changing():
        raise KeyboardInterrupt
    assert not state.is_whole


def test_of_equal_losses_the_first_is_the_best_epoch() -> None:
    history = epochs_of([{"val/loss": loss} for loss in (0.7, 0.5, 0.5)])
    assert history[1] == Epoch(epoch=1, metrics={"val/loss": 0.5})
    assert best_epoch(history) == 1
    assert best_epoch([]) is None
