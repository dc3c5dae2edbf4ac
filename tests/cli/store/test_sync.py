"""`icl-mlflow sync` delivers what is left, from wherever it is called."""

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from icl_mlflow.tracking.local.claims import begin_checkpoints, claimed, state_folder
from icl_mlflow.tracking.store.connection import Store

Icl = Callable[..., Any]

#: Training that is killed while its database is away.
KILLED = """
    import os
    from icl_mlflow.tracking.runs.lifecycle import open_run
    from icl_mlflow.tracking.store.connection import connect
    with open_run(connect("tests"), name="a", kind="train", params={}, tags={},
                  description="") as log:
        assert log.wait()
        os.rename("mlflow.db", "away.db")
        log.metrics({"loss": 1.0}, step=0)
        log.json("settings.json", {"lr": 0.1})
        print(log.run_id, flush=True)
        os.kill(os.getpid(), 9)
"""


@pytest.fixture
def cut_off(store: Store, new_folder: Path) -> str:
    """A run with two records that the store does not have; its id."""
    del store
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED)],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    (new_folder / "away.db").rename(new_folder / "mlflow.db")
    return done.stdout.strip()


@pytest.mark.parametrize("where", ["here", "folder", "its parent"])
def test_what_is_left_is_delivered_and_forgotten(
    store: Store, icl: Icl, cut_off: str, new_folder: Path, where: str
) -> None:
    state = new_folder / ".icl_mlflow"
    given = {"here": [], "folder": [str(state)], "its parent": [str(new_folder)]}
    if given[where]:
        (new_folder / "elsewhere").mkdir()
        os.chdir(new_folder / "elsewhere")
    result = icl("sync", *given[where])
    assert (result.code, result.err) == (0, "")
    first, second = result.out.splitlines()
    assert first == f"run {cut_off}: 2 records to {store.place}"
    assert second.startswith(f"run {cut_off} did not end: `icl-mlflow reap` marks it")
    run = store.client.get_run(cut_off)
    assert run.data.metrics == {"loss": 1.0}
    settings = store.client.download_artifacts(cut_off, "settings.json")
    assert json.loads(Path(settings).read_text()) == {"lr": 0.1}
    assert not state.exists()


def test_what_cannot_be_delivered_is_one_line_and_stays(
    icl: Icl, cut_off: str, new_folder: Path
) -> None:
    (new_folder / "mlflow.db").rename(new_folder / "away.db")
    result = icl("sync")
    assert result.code == 4
    (line,) = result.err.splitlines()
    assert line.startswith(f"Error: run {cut_off}: ")
    assert "mlflow.db" in line
    (new_folder / "away.db").rename(new_folder / "mlflow.db")
    assert icl("sync").code == 0


def test_a_second_sync_is_told_who_has_the_run(icl: Icl, cut_off: str) -> None:
    with claimed(cut_off, "delivered"):
        result = icl("sync")
    assert result.code == 4
    (line,) = result.err.splitlines()
    who = f"process {os.getpid()} on {socket.gethostname()}"
    assert f"is being delivered by {who}" in line


@pytest.mark.parametrize("command", ["sync", "train"])
def test_a_journal_of_a_later_version_is_named_and_left(
    icl: Icl, cut_off: str, command: str
) -> None:
    (about,) = Path().glob(".icl_mlflow/runs/*/journal/about.json")
    later = {**json.loads(about.read_text()), "format": 3, "unheard of": 1}
    about.write_text(json.dumps(later))
    records = about.with_name("records").read_bytes()
    begin_checkpoints(cut_off)
    arguments = [] if command == "sync" else ["--resume", cut_off]
    result = icl(command, *arguments)
    assert result.code == (4 if command == "sync" else 2)
    line = result.err.splitlines()[-1]
    if command == "sync":
        assert f"{about.absolute()} has format 3" in line
    assert json.loads(about.read_text()) == later
    assert about.with_name("records").read_bytes() == records


def test_checkpoints_of_a_run_that_has_finished_are_removed(
    store: Store, icl: Icl, new_folder: Path
) -> None:
    done, running = (
        store.client.create_run(store.experiment_id).info.run_id for _ in range(2)
    )
    for run_id in (done, running):
        state_folder(run_id).mkdir(parents=True)
        begin_checkpoints(run_id)
    store.client.set_terminated(done)
    result = icl("sync")
    assert (result.code, result.err) == (0, "")
    assert result.out == f"run {done} has finished: its checkpoints are removed\n"
    assert [f.name for f in (new_folder / ".icl_mlflow/runs").iterdir()] == [running]


def test_nothing_to_deliver_is_said(new_folder: Path, icl: Icl) -> None:
    result = icl("sync")
    assert (result.code, result.out) == (0, "nothing waits to be delivered\n")
    assert list(new_folder.iterdir()) == []


def test_a_folder_that_is_not_there_is_named(new_folder: Path, icl: Icl) -> None:
    result = icl("sync", str(new_folder / "nowhere"))
    assert result.code == 2
    (line,) = result.err.splitlines()
    assert "nowhere" in line
