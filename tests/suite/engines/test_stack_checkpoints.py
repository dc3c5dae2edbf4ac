"""The checkpoints of a stack are kept for as long as a run may go on from them."""

from pathlib import Path

import pytest

from icl_mlflow.suite.engines.stack_checkpoints import stack_checkpoints
from icl_mlflow.tracking.local.claims import (
    begin_checkpoints,
    end_checkpoints,
    state_folder,
)
from icl_mlflow.tracking.local.stack_state import (
    forget_stacks,
    stack_folder,
    stack_of,
)
from icl_mlflow.training.stacked.checkpoint import Keeping

RUNS = ("one", "two")


@pytest.fixture(autouse=True)
def _runs(new_folder: Path) -> None:
    del new_folder
    for run_id in RUNS:
        state_folder(run_id).mkdir(parents=True)
        begin_checkpoints(run_id)


def keep(keeping: Keeping) -> None:
    """Write a checkpoint, as training does."""
    keeping.folder.mkdir(parents=True, exist_ok=True)
    (keeping.folder / "step-7").touch()
    keeping.on_kept()


def killed() -> Path:
    """A stack that was killed after a checkpoint; its folder."""
    with stack_checkpoints(RUNS) as keeping:
        keep(keeping)
    return keeping.folder


def test_what_a_killed_stack_has_kept_is_where_the_next_begins() -> None:
    before = killed()
    assert {stack_of(run_id) for run_id in RUNS} == {before.name}
    with stack_checkpoints(RUNS) as keeping:
        assert keeping.source == before == stack_folder(before.name)
        assert keeping.folder != before


def test_without_a_checkpoint_of_its_own_the_earlier_stays() -> None:
    before = killed()
    with stack_checkpoints(RUNS):
        pass
    assert {stack_of(run_id) for run_id in RUNS} == {before.name}
    assert before.is_dir()


def test_the_earlier_goes_with_the_first_checkpoint() -> None:
    before = killed()
    with stack_checkpoints(RUNS) as keeping:
        keep(keeping)
        assert not before.exists()
        assert {stack_of(run_id) for run_id in RUNS} == {keeping.folder.name}


def test_with_the_last_run_all_is_gone() -> None:
    with stack_checkpoints(RUNS) as keeping:
        keep(keeping)
        for run_id in RUNS:
            end_checkpoints(run_id)
    assert not keeping.folder.exists()


def test_a_run_that_has_diverged_names_no_stack() -> None:
    with stack_checkpoints(RUNS) as keeping:
        end_checkpoints("two")
        keep(keeping)
        assert stack_of("one") == keeping.folder.name
        assert stack_of("two") is None
        assert not state_folder("two").exists()


def test_members_of_different_stacks_begin_anew() -> None:
    killed()
    with stack_checkpoints(["one"]) as keeping:
        keep(keeping)
    with stack_checkpoints(RUNS) as keeping:
        assert keeping.source is None


def test_all_runs_change_in_the_moment_of_the_first_checkpoint() -> None:
    """A death between any two steps leaves them together."""
    before = killed()
    with stack_checkpoints(RUNS) as keeping:
        assert {stack_of(run_id) for run_id in RUNS} == {before.name}
        keeping.folder.mkdir()
        (keeping.folder / "step-8").touch()
        assert {stack_of(run_id) for run_id in RUNS} == {keeping.folder.name}


def test_what_no_run_is_resumed_from_is_removed_and_nothing_else() -> None:
    before = killed()
    with stack_checkpoints(RUNS) as keeping:
        forget_stacks()  # at the end of somebody else
        assert before.is_dir()
        keep(keeping)
        left_behind = stack_folder("0" * 32)
        left_behind.mkdir()
        (left_behind / "step-9").touch()
        end_checkpoints("one")
        forget_stacks()
        assert not left_behind.exists()
        assert keeping.folder.is_dir()
    end_checkpoints("two")
    forget_stacks()
    assert not keeping.folder.parent.exists()
