"""The long form: a server is killed again and again, or away for minutes, or for ever.

`make test-faults` runs it; ICL_FAULTS_SERVER_KILLS is the count, ICL_FAULTS_OUTAGE the
length of an outage in seconds, ICL_FAULTS_SEED draws other instants.
"""

import functools
import os
import re
import shutil
import signal
import time
from collections import Counter
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from multiprocessing.util import Finalize
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from tests.faults.forked import start
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
        before=functools.partial(Finalize, None, _say_what_it_cost, exitpriority=1),
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


def _say_what_it_cost() -> None:
    """CPU seconds of the process, and of its main thread alone."""
    Path("cpu").write_text(f"{time.process_time()} {time.thread_time()}")


def judged(server: Server, counts: Counter[str], folder: Path) -> Run:
    """Add up what of the one run has arrived, against what it says it has trained."""
    client = MlflowClient(tracking_uri=server.uri)
    (run,) = client.search_runs(["0"])
    log = client.download_artifacts(run.info.run_id, "train.log", str(folder))
    trained = [int(n) for n in re.findall(r" epoch (\d+):", Path(log).read_text())]
    assert trained == list(range(len(trained)))
    for key in KEYS:
        arrived = [p.step for p in client.get_metric_history(run.info.run_id, key)]
        counts["records"] += len(trained)
        counts["lost"] += len(set(trained) - set(arrived))
        counts["duplicates"] += len(arrived) - len(set(arrived))
    return run


def report(
    capsys: pytest.CaptureFixture[str], title: str, counts: Counter[str], slowed: float
) -> None:
    with capsys.disabled():
        print(f"\n{title}")
        for name in counts:
            print(f"  {name:36} {counts[name]:5}")
        print(f"  {'CPU beside the training (%)':36} {100 * slowed:5.2f}")


def cpu_beside(folder: Path) -> float:
    """CPU time of the process beside its main thread, as a share of that."""
    process, main = map(float, (folder / "cpu").read_text().split())
    return (process - main) / main


@pytest.mark.slow
def test_a_server_that_is_killed_again_and_again(
    server: Server,
    training: BaseProcess,
    new_folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rng = np.random.default_rng(SEED)
    counts = Counter[str]()
    for _ in range(KILLS):
        time.sleep(rng.uniform(0, 4))
        server.kill()
        counts["kills"] += 1
        time.sleep(rng.uniform(0, 4))
        server.start()
    time.sleep(6)  # longer than the longest pause between attempts
    training.terminate()
    training.join(60)
    assert training.exitcode == 143
    left = new_folder / ".icl_mlflow" / "runs"
    counts["journals left"] = len(list(left.glob("*/journal")))
    finish("sync", server, new_folder)
    run = judged(server, counts, new_folder)
    report(capsys, "a server killed again and again", counts, cpu_beside(new_folder))
    assert run.info.status == "KILLED"
    assert (counts["lost"], counts["duplicates"]) == (0, 0)


@pytest.mark.slow
def test_a_long_outage_costs_training_nothing_and_loses_nothing(
    server: Server,
    training: BaseProcess,
    new_folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server.kill()
    time.sleep(OUTAGE)
    training.terminate()
    sent = time.monotonic()
    training.join(60)
    assert time.monotonic() - sent < 3
    assert training.exitcode == 143
    (line,) = [
        line
        for line in (new_folder / "err").read_text().splitlines()
        if "icl-mlflow sync" in line
    ]
    assert "is not reachable: connection refused" in line
    server.start()
    finish("sync", server, new_folder)
    counts = Counter[str]({"outage (s)": int(OUTAGE)})
    run = judged(server, counts, new_folder)
    slowed = cpu_beside(new_folder)
    report(capsys, "a server that never came back, then sync", counts, slowed)
    assert run.info.status == "KILLED"
    assert (counts["lost"], counts["duplicates"]) == (0, 0)
    assert slowed < MOST_SLOWED
    assert list((new_folder / ".icl_mlflow" / "runs").glob("*/journal")) == []


@pytest.mark.slow
def test_a_server_that_stops_for_a_while(
    server: Server,
    training: BaseProcess,
    new_folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for _ in range(3):
        server.send(signal.SIGSTOP)
        time.sleep(13)  # longer than a request waits
        server.send(signal.SIGCONT)
        time.sleep(5)
    training.terminate()
    training.join(60)
    finish("sync", server, new_folder)
    counts = Counter[str](stops=3)
    run = judged(server, counts, new_folder)
    report(capsys, "a server that stops and goes on", counts, cpu_beside(new_folder))
    assert run.info.status == "KILLED"
    assert (counts["lost"], counts["duplicates"]) == (0, 0)


def finish(command: str, server: Server, folder: Path) -> None:
    """Run a command to its good end."""
    uri = {"MLFLOW_TRACKING_URI": server.uri}
    process = start(command, folder=folder, environment=uri)
    process.join(300)
    assert process.exitcode == 0, (folder / "err").read_text()
