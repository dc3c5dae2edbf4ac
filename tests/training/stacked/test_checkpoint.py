"""The file of a stack: every member by its identity, in whatever order it is asked."""

from pathlib import Path

import pytest
import torch

from icl_mlflow.training.checkpoint import Checkpoint, Checkpoints
from icl_mlflow.training.member_state import Epoch
from icl_mlflow.training.stacked.checkpoint import PARTS, StackState, newest, packed

MEMBERS = ("aa", "bb", "cc")
N_ENTRIES, EPOCH_STEPS = 5, 10


def state(n_epochs: int = 2) -> StackState:
    """Row r of every part holds r everywhere, and the members' losses tell them too."""
    part_RP = torch.arange(3.0).unsqueeze(1).expand(3, N_ENTRIES).contiguous()
    histories = tuple(
        tuple(
            Epoch(epoch=epoch, metrics={"val/loss": row + epoch / 10})
            for epoch in range(n_epochs)
        )
        for row in range(3)
    )
    return StackState(
        step=n_epochs * EPOCH_STEPS,
        parts={name: part_RP.clone() for name in PARTS},
        histories=histories,
    )


def write(folder: Path, *kept: Checkpoint) -> None:
    files = Checkpoints(folder, folder.name)
    for one in kept:
        files.write(one)


@pytest.mark.parametrize("wanted", [["aa", "bb", "cc"], ["cc", "aa"], ["bb"]])
def test_members_are_found_by_their_identities(
    tmp_path: Path, wanted: list[str]
) -> None:
    folder = tmp_path / "stack"
    write(folder, packed(MEMBERS, state()))
    found = newest(folder, wanted, N_ENTRIES, EPOCH_STEPS)
    assert found is not None
    assert found.step == 20
    rows = [MEMBERS.index(member) for member in wanted]
    for name in PARTS:
        assert found.parts[name][:, 0].tolist() == rows
    assert found.histories == tuple(state().histories[row] for row in rows)


@pytest.mark.parametrize(
    "damaged",
    [
        packed(("aa", "bb"), state()),  # fewer names than rows
        packed(
            MEMBERS,
            StackState(step=21, parts=state().parts, histories=state().histories),
        ),
        Checkpoint(step=20, tensors=state().parts, facts={}),
        Checkpoint(step=20, tensors={}, facts=packed(MEMBERS, state()).facts),
    ],
    ids=["names", "step", "facts", "tensors"],
)
def test_what_is_at_odds_with_itself_gives_way_to_the_one_before(
    tmp_path: Path, damaged: Checkpoint
) -> None:
    folder = tmp_path / "stack"
    write(folder, packed(MEMBERS, state(n_epochs=1)), damaged)
    found = newest(folder, ["aa"], N_ENTRIES, EPOCH_STEPS)
    assert found is not None
    assert found.step == 10


def test_of_other_members_or_another_model_there_is_none(tmp_path: Path) -> None:
    folder = tmp_path / "stack"
    write(folder, packed(MEMBERS, state()))
    assert newest(folder, ["dd"], N_ENTRIES, EPOCH_STEPS) is None
    assert newest(folder, ["aa"], N_ENTRIES + 1, EPOCH_STEPS) is None
    assert newest(tmp_path / "missing", ["aa"], N_ENTRIES, EPOCH_STEPS) is None
