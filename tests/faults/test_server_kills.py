"""The long form: a server is killed again and again, or away for minutes, or for ever.

`make test-faults` runs it; ICL_FAULTS_SERVER_KILLS is the count, ICL_FAULTS_OUTAGE the
length of an outage in seconds, ICL_FAULTS_SEED draws other instants.
"""

import os
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient

from tests.faults.forked import start
from tests.faults.ledger import Tally
from tests.faults.trainings import SOON
from tests.server import Server

KILLS = int(os.environ.get("ICL_FAULTS_SERVER_KILLS", "10"))
OUTAGE = float(os.environ.get("ICL_FAULTS_OUTAGE", "300"))
SEED = int(os.environ.get("ICL_FAULTS_SEED", "0"))

#: A training that goes on until it is told to end, with an epoch in under a second.
TRAIN = [
    "train", "--preset", "smoke", "--epochs", "1000000", "--train_episodes", "6400",
    "--val_episodes", "64", "--test_episodes", "64", "--threads", "1",
]  # fmt: skip

#: Keys that every epoch logs.
KEYS = ("train/loss", "val/loss", "val/excess_risk", "lr")

#: What a training may lose to a server that is away.
MOST_SLOWED = 0.02


@pytest.fixture
def server(empty_database: Path, tmp_path: Path) -> Iterator[Server]:
    """A server of its own for a test."""
    folder = tmp_path / "server"
    folder.mkdir()
    shutil.copy(empty_database, folder)
    made = Server(folder)
    try:
        made.start()
        yield made
    finally:
        made.end()


@pytest.fixture
def training(server: Server, new_folder: Path) -> Iterator[BaseProcess]:
    """A training that has logged its first epochs to the server."""
    process = start(
        *TRAIN,
        folder=new_folder,
        environment={"MLFLOW_TRACKING_URI": server.uri},
    )
    try:
        client = MlflowClient(tracking_uri=server.uri)
        deadline = time.monotonic() + 120
        while not any(run.data.metrics for run in client.search_runs(["0"])):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        yield process
    finally:
        process.kill()
        process.join()


def judged(server: Server, counts: Tally, folder: Path, slowed: float) -> None:
    """Add up what of the one run has arrived, against what it says it has trained."""
    client = MlflowClient(tracking_uri=server.uri)
    (run,) = client.search_runs(["0"])
    log = client.download_artifacts(run.info.run_id, "train.log", str(folder))
    trained = [int(n) for n in re.findall(r" epoch (\d+):", Path(log).read_text())]
    assert trained == list(range(len(trained)))
    for key in KEYS:
        arrived = [p.step for p in client.get_metric_history(run.info.run_id, key)]
        counts.add_points(arrived, trained)
    counts.wrong += run.info.status != "KILLED"
    counts.at_most("training slowed by (%)", 100 * slowed)
    counts.assert_clean()
    assert slowed <= MOST_SLOWED


def ended(training: BaseProcess) -> float:
    """End it by SIGTERM; what its other threads had taken beside those that train.

    In CPU time, as a share of that of the thread that trains and the main one, which
    waits for it. What other threads of a process take, on a core that it has for
    itself, is the most that they can slow it down: it can wait for no more than that.
    """
    assert training.pid is not None
    process = Path("/proc", str(training.pid))
    threads = {int(file.name): ticks(file) for file in (process / "task").iterdir()}
    # That of the process has that of threads in it which are no longer there.
    in_all, main = ticks(process), threads.pop(training.pid)
    training.terminate()
    training.join(60)
    assert training.exitcode == 143
    trains = main + max(threads.values())
    return (in_all - trains) / trains


def ticks(folder: Path) -> int:
    """CPU time of a process or thread, in the units of its system."""
    fields = (folder / "stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


@pytest.mark.slow
def test_a_server_that_is_killed_again_and_again(
    server: Server,
    training: BaseProcess,
    new_folder: Path,
    tally: Callable[..., Tally],
) -> None:
    counts = tally("server killed and started again in one run", asked=KILLS)
    rng = np.random.default_rng(SEED)
    for _ in range(KILLS):
        time.sleep(rng.uniform(0, 4))
        server.kill()
        counts.done += 1
        time.sleep(rng.uniform(0, 4))
        server.start()
    time.sleep(6)  # longer than the longest pause between attempts
    slowed = ended(training)
    finish("sync", server, new_folder)
    judged(server, counts, new_folder, slowed)


@pytest.mark.slow
def test_a_long_outage_costs_training_nothing_and_loses_nothing(
    server: Server,
    training: BaseProcess,
    new_folder: Path,
    tally: Callable[..., Tally],
) -> None:
    counts = tally(
        "seconds without a server, which never came; sync", asked=int(OUTAGE)
    )
    server.kill()
    began = time.monotonic()
    time.sleep(OUTAGE)
    counts.done = int(time.monotonic() - began)
    sent = time.monotonic()
    slowed = ended(training)
    counts.at_most("SIGTERM to end (s)", time.monotonic() - sent)
    assert time.monotonic() - sent < SOON
    (line,) = [
        line
        for line in (new_folder / "err").read_text().splitlines()
        if "icl-mlflow sync" in line
    ]
    assert "is not reachable: connection refused" in line
    server.start()
    finish("sync", server, new_folder)
    judged(server, counts, new_folder, slowed)
    assert list(Path(os.environ["XDG_STATE_HOME"]).glob("**/journal")) == []


@pytest.mark.slow
def test_a_server_that_stops_for_a_while(
    server: Server,
    training: BaseProcess,
    new_folder: Path,
    tally: Callable[..., Tally],
) -> None:
    counts = tally("server stopped (SIGSTOP) and going on", asked=3)
    for _ in range(3):
        server.send(signal.SIGSTOP)
        time.sleep(13)  # longer than a request waits
        server.send(signal.SIGCONT)
        counts.done += 1
        time.sleep(5)
    slowed = ended(training)
    finish("sync", server, new_folder)
    judged(server, counts, new_folder, slowed)


def finish(command: str, server: Server, folder: Path) -> None:
    """Run a command to its good end."""
    uri = {"MLFLOW_TRACKING_URI": server.uri}
    process = start(command, folder=folder, environment=uri)
    process.join(300)
    assert process.exitcode == 0, (folder / "err").read_text()
