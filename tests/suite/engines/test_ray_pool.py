"""A real Ray cluster: workers and drivers are killed, and members finish once."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow.entities import Run

from icl_mlflow.suite.execution import Execution
from icl_mlflow.suite.grid import grid
from icl_mlflow.suite.run_suite import train_members
from icl_mlflow.tracking.runs.lifecycle import open_run
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.training.fit import Epoch
from icl_mlflow.training.settings import TrainSettings

pytest.importorskip("ray", reason="needs the extra ray")

#: Long enough to be killed in the middle, short enough to wait for.
SETTINGS = TrainSettings.preset(
    "smoke",
    epochs=20,
    train_episodes=2_560,
    val_episodes=64,
    test_episodes=64,
    threads=1,
)
OPTIONS = [
    *("--preset", "smoke", "--epochs", "20", "--train_episodes", "2560"),
    *("--val_episodes", "64", "--test_episodes", "64"),
]

#: Starts a cluster, says its address and process id, and ends it with its input.
HEAD = """
import logging, os, sys, ray
ray.init(
    address="local", num_cpus=2, include_dashboard=False, log_to_driver=False,
    logging_level=logging.ERROR, object_store_memory=100 << 20,
)
print(ray.get_runtime_context().gcs_address, flush=True)
sys.stdin.read()
ray.shutdown()
"""


class Head:
    """A cluster that runs on its own: its address, and the processes of its tasks."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        self.address = process.stdout.readline().strip()
        self._process = process

    def tasks(self) -> list[int]:
        """The process ids of workers that do a piece of work now."""
        return [
            number
            for number in descendants(self._process.pid)
            if b"ray::_do" in command_of(number)
        ]


def descendants(process_id: int) -> list[int]:
    listed = subprocess.run(
        ["pgrep", "-P", str(process_id)], capture_output=True, text=True, check=False
    )
    children = [int(number) for number in listed.stdout.split()]
    return children + [n for child in children for n in descendants(child)]


def command_of(process_id: int) -> bytes:
    try:
        return Path(f"/proc/{process_id}/cmdline").read_bytes()
    except OSError:  # it has just ended
        return b""


@pytest.fixture
def head(store: Store) -> Iterator[Head]:
    del store  # the cluster's workers find it in their environment
    with subprocess.Popen(
        [sys.executable, "-c", HEAD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0"},
    ) as process:
        started = Head(process)
        below = descendants(process.pid)
        try:
            yield started
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(timeout=30)
            assert not [number for number in below if command_of(number)]


def runs(store: Store) -> list[Run]:
    """The training runs, the oldest first."""
    return list(
        store.client.search_runs(
            [store.experiment_id],
            "tags.kind = 'train'",
            order_by=["attributes.start_time"],
        )
    )


def assert_each_finished_once(store: Store, n_members: int) -> None:
    """Each member has one finished run with every step, and no run has a step twice."""
    finished = Counter(
        run.data.tags["settings_hash"]
        for run in runs(store)
        if run.info.status == "FINISHED"
    )
    assert list(finished.values()) == [1] * n_members
    for run in runs(store):
        points = store.client.get_metric_history(run.info.run_id, "val/loss")
        steps = [point.step for point in points]
        is_finished = run.info.status == "FINISHED"
        assert sorted(steps) == list(
            range(SETTINGS.epochs if is_finished else len(steps))
        )
        versions = store.client.search_model_versions(f"run_id='{run.info.run_id}'")
        assert len(versions) == is_finished


def wait_for_epochs(store: Store, n_epochs: int, n_runs: int) -> None:
    """Until the latest of so many runs has so many epochs."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        started = runs(store)
        if len(started) == n_runs:
            run_id = started[-1].info.run_id
            points = store.client.get_metric_history(run_id, "val/loss")
            if n_epochs <= len(points) < SETTINGS.epochs:
                return
        time.sleep(0.1)
    pytest.fail("no member ever got so far")


def test_a_worker_killed_in_mid_member_costs_nothing_but_time(
    store: Store, head: Head
) -> None:
    members = grid(SETTINGS, ["baseline"], (0, 1))
    killed: list[int] = []

    def kill_one(_name: str, _epoch: Epoch) -> None:
        if not killed and len(runs(store)) == len(members):
            wait_for_epochs(store, 2, len(members))
            killed.extend(head.tasks()[:1])
            os.kill(killed[0], signal.SIGKILL)

    with open_run(
        store, name="suite", kind="suite", params={}, tags={}, description=""
    ) as log:
        outcomes = train_members(
            store,
            members,
            log.run_id,
            execution=Execution(engine="ray", ray_address=head.address),
            on_epoch=kill_one,
        )
    assert killed
    assert [outcome.error for outcome in outcomes] == [None, None]
    # The killed one has gone on from its checkpoint, in the same run.
    assert [run.info.status for run in runs(store)] == ["FINISHED", "FINISHED"]
    assert_each_finished_once(store, len(members))


@pytest.mark.slow
def test_a_killed_driver_is_started_again_and_trains_what_is_missing(
    store: Store, head: Head
) -> None:
    command = [sys.executable, "-m", "icl_mlflow.cli.main", "ablate", *OPTIONS]
    command += ["--variants", "no_labels", "--seeds", "0", "--jobs", "1"]
    command += ["--engine", "ray"]
    environment = {**os.environ, "MLFLOW_EXPERIMENT_NAME": "tests"}
    environment["RAY_ADDRESS"] = head.address
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as driver:
        wait_for_epochs(store, 2, n_runs=2)  # of the second member
        driver.kill()
    while head.tasks():  # Ray ends the tasks of a driver that is gone
        time.sleep(0.1)
    assert [run.info.status for run in runs(store)] == ["FINISHED", "RUNNING"]

    again = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False
    )
    assert again.returncode == 0, again.stderr
    assert "members  2: 1 finished before, 1 to train" in again.stdout
    assert_each_finished_once(store, 2)
