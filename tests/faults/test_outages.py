"""Whatever the tracking store does, training goes on and every record arrives once.

The long form, with counts, is `make test-faults`.
"""

import logging
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from icl_mlflow.tracking import dispatch
from icl_mlflow.tracking.run import RunLog, open_run
from icl_mlflow.tracking.state import local_runs
from icl_mlflow.tracking.store import Store, connect
from icl_mlflow.tracking.sync import sync, waiting_runs
from icl_mlflow.training.build import initial_model
from icl_mlflow.training.settings import TrainSettings
from tests.faults.forked import start
from tests.faults.proxy import ANSWERS, Proxy, proxy

SETTINGS = TrainSettings(dim=3, n_context=4, d_model=8, n_heads=2)
OPENING: dict[str, Any] = {
    "name": "A-baseline-seed0",
    "kind": "train",
    "params": {"lr": 0.0003},
    "tags": {"task": "A"},
    "description": "",
}

#: Longer than any call may take that only writes something down, on a busy machine.
AT_ONCE = 0.5


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests give up soon, so that tests do."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")


@pytest.fixture
def before_server(
    server_uri: str, monkeypatch: pytest.MonkeyPatch, new_folder: Path
) -> Iterator[Proxy]:
    """A proxy that is where runs go to."""
    del new_folder  # in which the runs are
    with proxy(server_uri) as made:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", made.uri)
        yield made


@pytest.fixture
def client(server_uri: str) -> MlflowClient:
    """Asks the server itself."""
    return MlflowClient(tracking_uri=server_uri)


def write(log: RunLog, steps: range) -> None:
    """A bit of everything, of which no call takes long."""
    for step in steps:
        started = time.monotonic()
        log.metrics({"train/loss": 1 / (step + 1), "val/loss": 0.5}, step=step)
        log.tags({"last": step})
        assert time.monotonic() - started < AT_ONCE
    log.text(f"notes/{steps.start}.txt", f"from {steps.start}")
    log.dataset(f"episodes-{steps.start}", "abc", {}, "training")
    log.params({f"param{steps.start}": steps.stop})


def assert_all_there(client: MlflowClient, run_id: str, *written: range) -> None:
    """Everything that `write` wrote is there, in order and once."""
    run = client.get_run(run_id)
    steps = [step for part in written for step in part]
    for key in ("train/loss", "val/loss"):
        points = client.get_metric_history(run_id, key)
        assert [point.step for point in points] == steps
        times = [point.timestamp for point in points]
        assert times == sorted(times)
    losses = client.get_metric_history(run_id, "train/loss")
    assert [point.value for point in losses] == [1 / (step + 1) for step in steps]
    assert run.data.tags["last"] == str(steps[-1])
    for part in written:
        assert run.data.params[f"param{part.start}"] == str(part.stop)
        note = client.download_artifacts(run_id, f"notes/{part.start}.txt")
        assert Path(note).read_text() == f"from {part.start}"
    names = [entry.dataset.name for entry in run.inputs.dataset_inputs]
    assert sorted(names) == sorted(f"episodes-{part.start}" for part in written)


@pytest.mark.parametrize("mode", [*ANSWERS, "away", "swallow", "hang", "slow"])
def test_a_server_that_comes_back_gets_everything(
    before_server: Proxy, client: MlflowClient, mode: str, new_folder: Path
) -> None:
    with open_run(connect("outages"), **OPENING) as log:
        write(log, range(5))
        before_server.mode = mode
        write(log, range(5, 15))
        time.sleep(1.0)
        before_server.mode = "well"
        write(log, range(15, 20))
    assert client.get_run(log.run_id).info.status == "FINISHED"
    assert_all_there(client, log.run_id, range(5), range(5, 15), range(15, 20))
    assert list(new_folder.iterdir()) == []


@pytest.mark.parametrize("mode", ["swallow", "away", "hang"])
def test_a_model_is_registered_once_whatever_answer_is_lost(
    before_server: Proxy, client: MlflowClient, mode: str
) -> None:
    name = "icl-A-baseline"
    with open_run(connect("outages"), **OPENING) as log:
        before_server.mode = mode
        mend = threading.Timer(0.7, lambda: setattr(before_server, "mode", "well"))
        mend.start()
        model = initial_model(SETTINGS)
        registered = log.model(model, SETTINGS, {"val/excess_risk": 0.1})
        log.metrics({"test/loss": 0.25}, step=3, of_model=True)
        mend.join()
    assert registered is not None
    versions = client.search_model_versions(f"run_id='{log.run_id}'")
    assert [(v.name, v.version) for v in versions] == [(name, registered.version)]
    (output,) = client.get_run(log.run_id).outputs.model_outputs
    stored = client.get_logged_model(output.model_id)
    assert stored.model_id == registered.model_id
    assert {m.key: m.value for m in stored.metrics} == {"test/loss": 0.25}


@pytest.fixture
def undelivered(
    before_server: Proxy,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    """A run that the server has not heard the end of; its id."""
    monkeypatch.setattr(dispatch, "_PATIENCE_IN_TROUBLE", 0.5)
    with caplog.at_level(logging.WARNING), open_run(connect("o"), **OPENING) as log:
        write(log, range(5))
        before_server.mode = "away"
        write(log, range(5, 10))
    return log.run_id


def test_a_server_that_never_comes_back_is_one_line_that_says_what_to_do(
    before_server: Proxy,
    client: MlflowClient,
    undelivered: str,
    caplog: pytest.LogCaptureFixture,
    new_folder: Path,
) -> None:
    run_id = undelivered
    lines = [record.getMessage() for record in caplog.get_records("setup")]
    assert "waiting for" in lines[0]
    assert f"of run {run_id} not delivered: {before_server.uri} is not r" in lines[1]
    command = f"icl-mlflow sync {new_folder}/.icl_mlflow"
    assert lines[1].endswith(f"send them with: {command}")
    assert len(lines) == 2
    assert client.get_run(run_id).info.status == "RUNNING"
    assert waiting_runs() == [run_id]

    still = sync(run_id)
    assert still is not None
    assert "records still wait" in still.problem or "not reachable" in still.problem
    before_server.mode = "well"
    done = sync(run_id)
    assert done is not None
    assert (done.problem, done.has_ended) == ("", True)
    assert sync(run_id) is None
    assert local_runs() == []
    assert client.get_run(run_id).info.status == "FINISHED"
    assert_all_there(client, run_id, range(5), range(5, 10))


def test_two_syncs_that_race_deliver_once(
    before_server: Proxy, client: MlflowClient, undelivered: str
) -> None:
    before_server.mode = "slow"
    found: list[object] = []
    racers = [
        threading.Thread(target=lambda: found.append(sync(undelivered)))
        for _ in range(2)
    ]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert len(found) == 2
    assert_all_there(client, undelivered, range(5), range(5, 10))


def test_a_sync_that_is_interrupted_is_made_good_by_the_next(
    before_server: Proxy, client: MlflowClient, undelivered: str
) -> None:
    before_server.mode = "swallow"  # what it asks for is done, and it does not know
    first = sync(undelivered)
    assert first is not None
    assert first.problem
    before_server.mode = "well"
    assert sync(undelivered)
    assert_all_there(client, undelivered, range(5), range(5, 10))


def test_a_damaged_record_is_named_and_the_others_arrive(
    before_server: Proxy, client: MlflowClient, undelivered: str
) -> None:
    (file,) = Path().glob(".icl_mlflow/runs/*/journal/records")
    content = bytearray(file.read_bytes())
    content[content.index(b'"notes/5.txt"') + 3] ^= 1
    file.write_bytes(content)
    before_server.mode = "well"
    done = sync(undelivered)
    assert done is not None
    assert done.problem.startswith("damaged: line ")
    assert file.exists()
    steps = [m.step for m in client.get_metric_history(undelivered, "val/loss")]
    assert steps == list(range(10))
    assert [f.path for f in client.list_artifacts(undelivered, "notes")] == [
        "notes/0.txt"
    ]


def test_a_record_that_is_refused_does_not_hold_up_the_others(
    server_store: Store, client: MlflowClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING), open_run(server_store, **OPENING) as log:
        log.params({"lr": "another"})
        log.metrics({"loss": 1.0}, step=0)
    (record,) = caplog.records
    assert record.getMessage().startswith("1 record of run")
    assert "Changing param values is not allowed" in record.getMessage()
    run = client.get_run(log.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.metrics == {"loss": 1.0}


def test_a_locked_database_is_waited_for(store: Store, new_folder: Path) -> None:
    with open_run(store, **OPENING) as log:
        write(log, range(5))
        with closing(sqlite3.connect(new_folder / "mlflow.db")) as other:
            other.execute("BEGIN EXCLUSIVE")
            write(log, range(5, 10))
            time.sleep(0.5)
            other.rollback()
    assert store.client.get_run(log.run_id).info.status == "FINISHED"
    assert_all_there(store.client, log.run_id, range(5), range(5, 10))


def test_a_database_that_is_moved_away_and_back(store: Store, new_folder: Path) -> None:
    file = new_folder / "mlflow.db"
    with open_run(store, **OPENING) as log:
        write(log, range(5))
        assert log.wait()
        file.rename(new_folder / "elsewhere.db")
        write(log, range(5, 10))
        time.sleep(1)
        assert not file.exists()
        (new_folder / "elsewhere.db").rename(file)
    assert store.client.get_run(log.run_id).info.status == "FINISHED"
    assert_all_there(store.client, log.run_id, range(5), range(5, 10))


TRAIN = ["train", "--preset", "smoke", "--train_episodes", "256", "--threads", "1"]
TRAIN += ["--val_episodes", "64", "--test_episodes", "64", "--epochs", "100000"]


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)]
)
def test_a_signal_ends_training_at_once_though_the_server_hangs(
    before_server: Proxy,
    client: MlflowClient,
    new_folder: Path,
    number: signal.Signals,
    code: int,
) -> None:
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
    assert process.exitcode == code
    assert took < 2
    lines = (new_folder / "err").read_text().split("\n")
    assert sum("not delivered: " in line for line in lines) == 1
    assert client.get_run(run_id).info.status == "RUNNING"

    before_server.mode = "well"
    done = sync(run_id)
    assert done is not None
    assert (done.problem, done.has_ended) == ("", True)
    assert client.get_run(run_id).info.status == "KILLED"
    steps = [m.step for m in client.get_metric_history(run_id, "val/loss")]
    assert steps == list(range(len(steps)))


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
    before_server: Proxy, client: MlflowClient, new_folder: Path
) -> None:
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
        assert steps == [0, 1]
    assert not list(new_folder.glob(".icl_mlflow"))


def test_writing_something_down_takes_milliseconds(before_server: Proxy) -> None:
    values = {f"metric{n}": n / 7 for n in range(12)}
    took = []
    with open_run(connect("outages"), **OPENING) as log:
        for mode in ("well", "away", "hang"):
            before_server.mode = mode
            for step in range(50):
                started = time.perf_counter()
                log.metrics(values, step=step)
                took.append(time.perf_counter() - started)
                time.sleep(0.01)
        before_server.mode = "well"
    assert sorted(took)[len(took) // 2] < 0.005
