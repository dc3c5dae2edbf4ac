"""Members in processes of their own: where they log, and what is left of dead ones."""

import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from icl_mlflow.cli.progress import SUITE_GOES_ON
from icl_mlflow.suite.execution import Execution
from icl_mlflow.suite.grid import grid
from icl_mlflow.suite.run_suite import train_members
from icl_mlflow.tracking.runs.lifecycle import end_children, open_run
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.training.fit import Epoch
from icl_mlflow.training.settings import TrainSettings
from tests.tiny import MOMENT

SETTINGS = TrainSettings.preset("smoke", **MOMENT)


def statuses(store: Store, kind: str) -> list[str]:
    query = f"tags.kind = '{kind}'"
    runs = store.client.search_runs(
        [store.experiment_id], query, order_by=["attributes.start_time"]
    )
    return [run.info.status for run in runs]


def test_a_killed_member_is_marked_while_the_others_go_on(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///elsewhere.db")
    members = grid(SETTINGS, ["baseline"], [0, 1])
    members[0] = replace(members[0], epochs=10_000)
    seen: list[list[str]] = []

    def kill_the_first(_name: str, _epoch: Epoch) -> None:
        if not seen:
            (worker,) = multiprocessing.active_children()
            worker.kill()
        seen.append(statuses(store, "train"))

    with open_run(
        store, name="suite", kind="suite", params={}, tags={}, description=""
    ) as log:
        first, second = train_members(
            store,
            members,
            log.run_id,
            execution=Execution(jobs=1),
            on_epoch=kill_the_first,
        )
    assert first.error == "its process was killed by SIGKILL"
    assert second.value is not None
    assert seen[0] == ["RUNNING"]
    assert ["KILLED", "RUNNING"] in seen
    assert statuses(store, "train") == ["KILLED", "FINISHED"]
    assert statuses(store, "suite") == ["FINISHED"]


def test_runs_of_dead_members_are_found_below_their_parent(store: Store) -> None:
    def create(parent: str, identity: str) -> str:
        tags = {"mlflow.parentRunId": parent, "settings_hash": identity}
        found: str = store.client.create_run(store.experiment_id, tags=tags).info.run_id
        return found

    def status(run_id: str) -> str:
        found: str = store.client.get_run(run_id).info.status
        return found

    dead, alive, stranger = create("p", "a"), create("p", "b"), create("q", "a")
    end_children(store, "p", "a")
    assert [status(r) for r in (dead, alive, stranger)] == [
        *["KILLED", "RUNNING", "RUNNING"]
    ]
    end_children(store, "p")
    assert [status(r) for r in (alive, stranger)] == ["KILLED", "RUNNING"]


def test_a_store_that_cannot_mark_the_dead_is_a_warning(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    gone = replace(store, experiment_id="")
    with caplog.at_level(logging.WARNING):
        end_children(gone, "p'")
    (record,) = caplog.records
    assert "may not be marked as ended" in record.message


def test_ctrl_c_in_the_first_seconds_is_one_line_and_leaves_no_run_open(
    store: Store,
) -> None:
    command = [sys.executable, "-m", "icl_mlflow.cli.main", "ablate"]
    command += ["--preset", "smoke", "--variants", "no_labels", "--seeds", "0,1"]
    command += ["--jobs", "2", "--epochs", "10000"]
    with subprocess.Popen(
        command,
        env={**os.environ, "MLFLOW_EXPERIMENT_NAME": "tests"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        deadline = time.monotonic() + 60
        while not statuses(store, "suite") and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(1)  # its workers are importing
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    start, *epochs, stopped = errors.splitlines()
    assert start.startswith("4 members: 10000 epochs of ")
    assert all(": epoch " in line for line in epochs)
    assert stopped == f"SIGINT: {SUITE_GOES_ON}"
    assert statuses(store, "suite") == ["KILLED"]
    assert "RUNNING" not in statuses(store, "train")
