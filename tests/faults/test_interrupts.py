"""Commands are told to end, or lose their server, in the middle of their work.

Signals of a training that is well are in test_resume.py.
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient

from benchmarks.speed.busy import neighbours
from icl_mlflow.tracking.outbox.sync import sync
from icl_mlflow.tracking.store.connection import connect
from tests.faults.forked import start
from tests.faults.ledger import Tally
from tests.faults.proxy import Proxy
from tests.faults.trainings import SMALL, SOON, Workplace

#: A training whose steps take seconds, most of them within one operation.
SLOW = [
    "train", "--preset", "smoke", "--threads", "1", "--n_layers", "16",
    "--batch_size", "8000", "--train_episodes", "8000", "--epochs", "1000",
    "--val_episodes", "64", "--test_episodes", "64",
]  # fmt: skip

TRAIN = ["train", "--preset", "smoke", "--train_episodes", "256", "--threads", "1"]
TRAIN += ["--val_episodes", "64", "--test_episodes", "64", "--epochs", "100000"]


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGTERM, 143),
        (signal.SIGINT, 130),
        (signal.SIGHUP, 129),
        (signal.SIGQUIT, 131),
    ],
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


def test_a_signal_is_answered_in_the_middle_of_a_long_step_on_a_busy_machine(
    *, work: Workplace, tally: Callable[..., Tally]
) -> None:
    counts = tally("SIGTERM in a step of seconds beside busy processes")
    process = work.start(*SLOW)
    deadline = time.monotonic() + 90
    while not work.runs("metrics.`val/loss` > 0"):
        assert time.monotonic() < deadline, work.said()
        time.sleep(0.1)
    with neighbours(4):
        time.sleep(1)
        assert process.is_alive(), work.said()
        assert process.pid is not None
        sent = time.monotonic()
        os.kill(process.pid, signal.SIGTERM)
        process.join(60)
        took = time.monotonic() - sent
    counts.at_most("signal to end (s)", took)
    assert process.exitcode == 143, work.said()
    assert took < SOON
    (run,) = work.runs()
    assert run.info.status == "KILLED"
    (line,) = (line for line in work.said() if "SIGTERM" in line)
    assert "stopped at step " in line
    assert "of 1000; checkpoint " in line
    assert f"icl-mlflow train --resume {run.info.run_id} " in line
    counts.done += 1
    counts.assert_clean()


def test_whoever_repeats_ctrl_c_gets_no_traceback(
    *, work: Workplace, tally: Callable[..., Tally]
) -> None:
    counts = tally("Ctrl-C three times")
    process = work.start(*SMALL_TRAINING, "--epochs", "1000000")
    deadline = time.monotonic() + 90
    while not work.runs("metrics.`val/loss` > 0"):
        assert time.monotonic() < deadline, work.said()
        time.sleep(0.1)
    assert process.pid is not None
    for _ in range(3):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGINT)
        time.sleep(0.02)
    process.join(30)
    assert process.exitcode == 130, work.said()
    assert "Traceback" not in "\n".join(work.said())
    counts.done += 1
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


SMALL_TRAINING = ["train", *SMALL]

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
