"""Commands are told to end, or lose their server, in the middle of their work.

Signals of a training that is well are in test_resume.py.
"""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient

from icl_mlflow.tracking.store import connect
from icl_mlflow.tracking.sync import sync
from tests.faults.forked import start
from tests.faults.ledger import Tally
from tests.faults.proxy import Proxy
from tests.faults.trainings import SMALL, SOON, Workplace

TRAIN = ["train", "--preset", "smoke", "--train_episodes", "256", "--threads", "1"]
TRAIN += ["--val_episodes", "64", "--test_episodes", "64", "--epochs", "100000"]


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)]
)
def test_a_signal_ends_training_at_once_though_the_server_hangs(
    *,
    before_server: Proxy,
    client: MlflowClient,
    new_folder: Path,
    tally: Callable[..., Tally],
    number: signal.Signals,
    code: int,
) -> None:
    counts = tally(f"{number.name} in train while the server hangs; then sync")
    experiment = connect("signals").experiment_id
    before = {run.info.run_id for run in client.search_runs([experiment])}
    process = start(
        *TRAIN,
        "--experiment",
        "signals",
        folder=new_folder,
        environment={"MLFLOW_TRACKING_URI": before_server.uri},
    )
    run_id = _first_run(client, experiment, before)
    before_server.mode = "hang"
    time.sleep(0.5)
    assert process.pid is not None
    sent = time.monotonic()
    os.kill(process.pid, number)
    process.join(30)
    took = time.monotonic() - sent
    counts.at_most("signal to end (s)", took)
    assert process.exitcode == code
    assert took < SOON
    lines = (new_folder / "err").read_text().split("\n")
    assert sum("not delivered: " in line for line in lines) == 1
    assert client.get_run(run_id).info.status == "RUNNING"

    before_server.mode = "well"
    done = sync(run_id)
    assert done is not None
    assert (done.problem, done.has_ended) == ("", True)
    assert client.get_run(run_id).info.status == "KILLED"
    steps = [m.step for m in client.get_metric_history(run_id, "val/loss")]
    counts.done += 1
    counts.add_points(steps, range(max(steps) + 1))
    counts.assert_clean()


def _first_run(client: MlflowClient, experiment: str, before: set[str]) -> str:
    """The id of the first new run that has logged an epoch."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        for run in client.search_runs([experiment]):
            if run.info.run_id not in before and "val/loss" in run.data.metrics:
                found: str = run.info.run_id
                return found
        time.sleep(0.05)
    pytest.fail("no run has logged anything")


@pytest.mark.slow
def test_a_suite_goes_on_through_an_outage(
    before_server: Proxy,
    client: MlflowClient,
    new_folder: Path,
    tally: Callable[..., Tally],
) -> None:
    counts = tally("outage in a suite")
    experiment = connect("suite").experiment_id
    process = start(
        *[*TRAIN[:-2], "--epochs", "2", "--jobs", "1", "--seeds", "0,1"],
        *["--experiment", "suite"],
        folder=new_folder,
        environment={"MLFLOW_TRACKING_URI": before_server.uri},
    )
    try:
        deadline = time.monotonic() + 300
        while len(client.search_runs([experiment])) < 2:  # the parent and one member
            assert time.monotonic() < deadline
            time.sleep(0.02)
        before_server.mode = "away"
        time.sleep(4)
        before_server.mode = "well"
        process.join(300)
    finally:
        process.kill()
    assert process.exitcode == 0, (new_folder / "err").read_text()
    runs = client.search_runs([experiment])
    assert [run.info.status for run in runs] == ["FINISHED"] * 3
    for run in runs:
        steps = [m.step for m in client.get_metric_history(run.info.run_id, "val/loss")]
        counts.add_points(steps, range(2))
    counts.done += 1
    counts.assert_clean()
    assert not list(new_folder.glob(".icl_mlflow"))


SUITES = {
    "train --seeds": ["train", *SMALL, "--seeds", "0,1"],
    "ablate": ["ablate", *SMALL, "--variants", "no_labels", "--seeds", "0"],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SUITES)
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)]
)
def test_a_signal_ends_a_suite_and_all_of_its_members(
    work: Workplace,
    tally: Callable[..., Tally],
    name: str,
    number: signal.Signals,
    code: int,
) -> None:
    counts = tally(f"{number.name} in {name}")
    process = work.start(*SUITES[name], "--epochs", "1000000", "--jobs", "2")
    deadline = time.monotonic() + 120
    while len(work.runs("tags.kind = 'train' AND metrics.`val/loss` > 0")) < 2:
        assert time.monotonic() < deadline, work.said()
        time.sleep(0.1)
    assert process.pid is not None
    sent = time.monotonic()
    os.killpg(process.pid, number)  # as Ctrl-C does, and `timeout`
    process.join(60)
    counts.at_most("signal to end (s)", time.monotonic() - sent)
    assert process.exitcode == code, work.said()
    counts.done += 1
    counts.wrong += sum(run.info.status != "KILLED" for run in work.runs())
    counts.assert_clean()
    assert "Traceback" not in "\n".join(work.said())
    assert counts.most["signal to end (s)"] < SOON
