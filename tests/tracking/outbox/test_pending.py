"""Runs with something left to deliver are told from those that can only go on."""

import os
from pathlib import Path

import pytest

from icl_mlflow.tracking.local.claims import begin_checkpoints, state_folder
from icl_mlflow.tracking.outbox.outbox import outbox_folder
from icl_mlflow.tracking.outbox.pending import (
    resumable_runs,
    state_in,
    variable,
    waiting_runs,
)


@pytest.fixture
def four_runs(new_folder: Path) -> Path:
    """Four runs with local state: a has a journal, b checkpoints, c both, d none."""
    for run_id in "abcd":
        state_folder(run_id).mkdir(parents=True)
    for run_id in "ac":
        outbox_folder(run_id).mkdir()
    for run_id in "bc":
        begin_checkpoints(run_id)
    return new_folder


@pytest.mark.usefixtures("four_runs")
def test_who_has_a_journal_waits_and_who_has_only_checkpoints_can_go_on() -> None:
    assert waiting_runs() == ["a", "c"]
    assert resumable_runs() == ["b"]


def test_without_local_state_nobody_waits(new_folder: Path) -> None:
    assert (waiting_runs(), resumable_runs()) == ([], [])
    assert list(new_folder.iterdir()) == []


@pytest.mark.parametrize("given", [".icl_mlflow", "."])
def test_the_folder_is_that_of_the_records_or_the_one_above(
    four_runs: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    (four_runs / "elsewhere").mkdir()
    monkeypatch.chdir(four_runs / "elsewhere")
    monkeypatch.setenv("ICL_MLFLOW_STATE", str(four_runs / "elsewhere"))
    assert waiting_runs() == []
    with state_in(four_runs / given):
        assert waiting_runs() == ["a", "c"]
    with state_in(None):
        assert waiting_runs() == []


@pytest.mark.parametrize("before", [None, "", "as it was"])
def test_a_variable_is_given_back(
    monkeypatch: pytest.MonkeyPatch, before: str | None
) -> None:
    monkeypatch.delenv("SOME_VARIABLE", raising=False)
    if before is not None:
        monkeypatch.setenv("SOME_VARIABLE", before)
    with variable("SOME_VARIABLE", "ours"):
        assert os.environ["SOME_VARIABLE"] == "ours"
    assert os.environ.get("SOME_VARIABLE") == before
