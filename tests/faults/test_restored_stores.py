"""A store that forgets what it has acknowledged gets it again, every record once.

The store is restored from an older copy, or what acknowledges is no store at all.
"""

import contextlib
import logging
import shlex
import shutil
import time
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from icl_mlflow.tracking.local.claims import local_runs
from icl_mlflow.tracking.outbox import writer
from icl_mlflow.tracking.outbox.sync import sync
from icl_mlflow.tracking.runs.lifecycle import RunLog, open_run
from icl_mlflow.tracking.store.connection import Store, connect
from icl_mlflow.training.problem import initial_model
from tests.faults.ledger import Tally
from tests.faults.proxy import Proxy
from tests.faults.test_outages import OPENING, SETTINGS, assert_all_there, write
from tests.faults.trainings import (
    SMALL,
    Workplace,
    kill,
    missing_steps,
    repeated_steps,
    wait_for_checkpoints,
)
from tests.server import Server

RESTORED = "store restored from an older copy"

#: What a run may wait for at its end where a store is in trouble.
PATIENCE = 0.5

#: Epochs of a training that a store can be restored under.
LONGER = 100


class Backup:
    """A store on this machine that can be copied, taken away and restored.

    Attributes:
        client: asks the store itself.
    """

    def __init__(self, folder: Path, copies: Path, server: Server | None) -> None:
        self._folder, self._copy, self._server = folder, copies / "copy", server
        uri = server.uri if server else f"sqlite:///{folder}/mlflow.db"
        self.client = MlflowClient(tracking_uri=uri)

    def copy(self) -> None:
        """Copy what is in the store now."""
        shutil.rmtree(self._copy, ignore_errors=True)
        shutil.copytree(self._folder, self._copy)

    def take_away(self) -> None:
        if self._server:
            self._server.kill()
        shutil.rmtree(self._folder)

    def restore(self) -> None:
        """Bring back what was copied, in place of what is there."""
        if self._folder.exists():
            self.take_away()
        shutil.copytree(self._copy, self._folder)
        if self._server:
            self._server.start()


@pytest.fixture(params=["database", pytest.param("server", marks=pytest.mark.slow)])
def backup(
    request: pytest.FixtureRequest,
    new_folder: Path,
    empty_database: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Backup]:
    # Beside a database it would be taken away with it.
    monkeypatch.setenv("ICL_MLFLOW_STATE", str(new_folder / "state"))
    folder = tmp_path_factory.mktemp("store")
    copies = tmp_path_factory.mktemp("copies")
    shutil.copy(empty_database, folder)
    server = Server(folder) if request.param == "server" else None
    uri = server.uri if server else f"sqlite:///{folder}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    try:
        if server:
            server.start()
        yield Backup(folder, copies, server)
    finally:
        if server:
            server.end()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that ends does not wait long for a store that is away."""
    monkeypatch.setattr(writer, "_PATIENCE_IN_TROUBLE", PATIENCE)


def keep_model(log: RunLog) -> None:
    """Register a model, with a metric of its own."""
    log.model(initial_model(SETTINGS), SETTINGS, {"val/excess_risk": 0.1})
    log.metrics({"test/loss": 0.25}, step=3, of_model=True)


def assert_one_model(client: MlflowClient, run_id: str) -> None:
    """The run has the model of `keep_model`, once, with its files and its metric."""
    (version,) = client.search_model_versions(f"run_id='{run_id}'")
    (output,) = client.get_run(run_id).outputs.model_outputs
    stored = client.get_logged_model(output.model_id)
    assert version.source == stored.artifact_location
    assert {m.key: m.value for m in stored.metrics} == {"test/loss": 0.25}
    files = client.list_logged_model_artifacts(stored.model_id, "data/package")
    assert all(file.file_size for file in files)
    assert len(files) == 2
    best = client.get_model_version_by_alias("icl-A-baseline", "best")
    assert best.version == version.version


@pytest.mark.usefixtures("impatient")
def test_what_a_restored_store_lacks_is_sent_again_by_sync(
    backup: Backup, tally: Callable[..., Tally]
) -> None:
    counts = tally(f"{RESTORED}, then sync")
    with open_run(connect("restored"), **OPENING) as log:
        write(log, range(5))
        assert log.wait()
        backup.copy()
        write(log, range(5, 10))
        keep_model(log)
        assert log.wait()
        backup.take_away()
        write(log, range(10, 15))
    backup.restore()
    done = sync(log.run_id)
    assert done is not None
    assert (done.problem, done.has_ended) == ("", True)
    counts.done += 1
    written = (range(5), range(5, 10), range(10, 15))
    assert_all_there(backup.client, log.run_id, *written, counts=counts)
    assert_one_model(backup.client, log.run_id)
    assert backup.client.get_run(log.run_id).info.status == "FINISHED"
    assert local_runs() == []
    counts.assert_clean()


def test_a_store_that_is_restored_while_a_run_goes_on_has_all_at_its_end(
    backup: Backup, tally: Callable[..., Tally]
) -> None:
    counts = tally(f"{RESTORED} during a run")
    with open_run(connect("restored"), **OPENING) as log:
        write(log, range(5))
        assert log.wait()
        backup.copy()
        write(log, range(5, 10))
        keep_model(log)
        assert log.wait()
        backup.restore()
        write(log, range(10, 15))
    counts.done += 1
    written = (range(5), range(5, 10), range(10, 15))
    assert_all_there(backup.client, log.run_id, *written, counts=counts)
    assert_one_model(backup.client, log.run_id)
    assert backup.client.get_run(log.run_id).info.status == "FINISHED"
    assert local_runs() == []
    counts.assert_clean()


@pytest.mark.parametrize("when", ["during the run", "then sync"])
def test_a_run_that_the_store_has_lost_is_made_anew(
    *,
    backup: Backup,
    tally: Callable[..., Tally],
    when: str,
    request: pytest.FixtureRequest,
    caplog: pytest.LogCaptureFixture,
) -> None:
    counts = tally(f"{RESTORED} than the run, {when}")
    connect("other")
    backup.copy()  # it has neither the run nor its experiment
    with (
        caplog.at_level(logging.WARNING),
        open_run(connect("restored"), **OPENING) as log,
    ):
        lost = log.run_id
        write(log, range(5))
        keep_model(log)
        assert log.wait()
        if when == "then sync":
            request.getfixturevalue("impatient")
            backup.take_away()
        else:
            backup.restore()
        write(log, range(5, 10))
    made = log.run_id
    if when == "then sync":
        backup.restore()
        done = sync(lost)
        assert done is not None
        assert done.problem == ""
        made = done.run_id
    counts.done += 1
    assert made != lost
    (line,) = [each for each in caplog.messages if "made anew" in each]
    assert line.startswith(f"run {lost} is gone from ")
    assert made in line
    assert_all_there(backup.client, made, range(5), range(5, 10), counts=counts)
    assert_one_model(backup.client, made)
    run = backup.client.get_run(made)
    assert (run.info.status, run.info.run_name) == ("FINISHED", OPENING["name"])
    assert run.data.tags["previous_run_id"] == lost
    assert run.data.tags["task"] == "A"
    assert run.data.params["lr"] == "0.0003"
    experiment = backup.client.get_experiment(run.info.experiment_id)
    assert experiment.name == "restored"
    assert local_runs() == []
    counts.assert_clean()


@pytest.mark.parametrize("backup", ["database"], indirect=True)
def test_a_suite_that_the_store_has_lost_is_still_one(backup: Backup) -> None:
    connect("restored")
    backup.copy()
    store = connect("restored")
    with open_run(store, **OPENING) as parent:
        with open_run(store, **OPENING, parent_run_id=parent.run_id) as child:
            write(child, range(5))
            assert child.wait()
            backup.restore()
        write(parent, range(5))
    tags = backup.client.get_run(child.run_id).data.tags
    assert tags[MLFLOW_PARENT_RUN_ID] == parent.run_id
    assert_all_there(backup.client, parent.run_id, range(5))
    assert_all_there(backup.client, child.run_id, range(5))


@pytest.mark.parametrize("backup", ["database"], indirect=True)
@pytest.mark.parametrize(
    "how",
    ["the same command", pytest.param("what reap says", marks=pytest.mark.slow)],
)
def test_a_run_that_was_made_anew_and_killed_goes_on(
    backup: Backup, new_folder: Path, tally: Callable[..., Tally], how: str
) -> None:
    counts = tally(f"{RESTORED} than the run, which is killed then, and goes on")
    work = Workplace(new_folder, connect())
    backup.copy()
    state = {"ICL_MLFLOW_STATE": str(new_folder / "state")}
    command = ["train", *SMALL, "--epochs", str(LONGER)]
    process = work.start(*command, environment=state)
    wait_for_checkpoints(work, process, new_folder / "state")
    (lost,) = work.runs()
    backup.restore()
    work.store.reopen()
    made = successor_of(lost.info.run_id, work, process)
    kill(process)
    if how == "what reap says":
        work.finish("reap", environment=state)
        (line,) = (new_folder / "out").read_text().splitlines()[:1]
        command = shlex.split(line.split("goes on with: icl-mlflow ")[1].split(";")[0])
        assert made in command
    work.finish(*command, environment=state)
    assert made == judged(counts, work)


@pytest.mark.parametrize("backup", ["database"], indirect=True)
def test_a_killed_run_that_sync_makes_anew_goes_on(
    backup: Backup, new_folder: Path, tally: Callable[..., Tally]
) -> None:
    counts = tally(f"{RESTORED} than the run, which was killed, and goes on")
    work = Workplace(new_folder, connect())
    backup.copy()
    state = {"ICL_MLFLOW_STATE": str(new_folder / "state")}
    process = work.start("train", *SMALL, "--epochs", str(LONGER), environment=state)
    wait_for_checkpoints(work, process, new_folder / "state")
    kill(process)
    (lost,) = work.runs()
    backup.restore()
    work.store.reopen()
    work.finish("sync", environment=state)
    (made,) = work.runs()
    assert made.data.tags["previous_run_id"] == lost.info.run_id
    line = (new_folder / "out").read_text().splitlines()[-1]
    assert line.startswith(f"run {made.info.run_id} did not end: ")
    words = shlex.split(line.split("; `")[1].split("` goes on with it")[0])
    work.finish(*words[1:], environment=state)
    assert made.info.run_id == judged(counts, work)


def judged(counts: Tally, work: Workplace) -> str:
    """The id of the one run, which has finished with every epoch once."""
    counts.done += 1
    (run,) = work.runs()
    counts.wrong += run.info.status != "FINISHED"
    counts.twice += repeated_steps(work, run)
    counts.lost += missing_steps(work, run, LONGER)
    assert local_runs() == []
    counts.assert_clean()
    found: str = run.info.run_id
    return found


def successor_of(lost: str, work: Workplace, process: BaseProcess) -> str:
    """The run that a training makes in place of the one that its store has lost.

    With its first epoch, and so with its settings, which were sent before.
    """
    deadline = time.monotonic() + 60
    wanted = f"tags.previous_run_id = '{lost}' AND metrics.`val/loss` > 0"
    while not (found := work.runs(wanted)):
        assert process.is_alive(), work.said()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    made: str = found[0].info.run_id
    return made


@pytest.mark.parametrize("backup", ["database"], indirect=True)
def test_a_run_that_was_lost_after_it_went_on_has_what_it_had_before(
    backup: Backup, tally: Callable[..., Tally]
) -> None:
    counts = tally(f"{RESTORED} than the run, which had gone on after a signal")
    connect("restored")
    backup.copy()
    with (
        contextlib.suppress(KeyboardInterrupt),
        open_run(connect("restored"), **OPENING) as log,
    ):
        write(log, range(5))
        raise KeyboardInterrupt
    assert local_runs() == []  # all is delivered
    stopped = log.run_id
    with open_run(connect("restored"), **OPENING, run_id=stopped) as log:
        write(log, range(5, 10))
        assert log.wait()
        backup.restore()
        write(log, range(10, 15))
    counts.done += 1
    assert log.run_id != stopped
    run = backup.client.get_run(log.run_id)
    assert (run.info.status, run.data.tags["last"]) == ("FINISHED", "14")
    for key in ("train/loss", "val/loss"):
        points = backup.client.get_metric_history(log.run_id, key)
        counts.add_points([point.step for point in points], range(15))
        assert [p.timestamp for p in points] == sorted(p.timestamp for p in points)
    assert {run.data.params[f"param{start}"] for start in (0, 5, 10)} == {
        *("5", "10", "15")
    }
    assert local_runs() == []
    counts.assert_clean()


@pytest.mark.parametrize("backup", ["database"], indirect=True)
def test_what_people_have_changed_meanwhile_stays(backup: Backup) -> None:
    with open_run(connect("restored"), **OPENING) as log:
        log.description("ours")
        log.tags({"last": 1})
        log.tags({"last": 2})
        assert log.wait()
        backup.client.set_tag(log.run_id, "mlflow.note.content", "theirs")
        backup.client.set_tag(log.run_id, "last", "1")  # as an older copy has it
    tags = backup.client.get_run(log.run_id).data.tags
    assert tags["mlflow.note.content"] == "theirs"
    assert tags["last"] == "2"


@pytest.mark.parametrize("mode", ["blank", "other JSON", "garbage"])
def test_what_is_no_store_acknowledges_nothing(
    *,
    before_server: Proxy,
    client: MlflowClient,
    mode: str,
    monkeypatch: pytest.MonkeyPatch,
    tally: Callable[..., Tally],
) -> None:
    counts = tally("answer 200 that is not MLflow's, until the end; sync")
    monkeypatch.setattr(writer, "_PATIENCE_IN_TROUBLE", PATIENCE)
    with open_run(connect("restored"), **OPENING) as log:
        write(log, range(5))
        assert log.wait()
        before_server.mode = mode
        write(log, range(5, 10))
    assert local_runs() == [log.run_id]
    before_server.mode = "well"
    done = sync(log.run_id)
    assert done is not None
    assert done.problem == ""
    counts.done += 1
    assert_all_there(client, log.run_id, range(5), range(5, 10), counts=counts)
    assert client.get_run(log.run_id).info.status == "FINISHED"
    counts.assert_clean()


def test_the_end_of_a_run_asks_for_each_metric_once(
    server_store: Store, before_server: Proxy, client: MlflowClient
) -> None:
    del server_store
    epochs, keys = 30, 9
    with open_run(connect("restored"), **OPENING) as log:
        for epoch in range(epochs):
            log.metrics({f"metric{n}": n / 7 for n in range(keys)}, step=epoch)
        log.metrics({f"test/metric{n}": n / 7 for n in range(keys)}, step=epochs)
        assert log.wait()
        before = before_server.forwarded
    # The status, the run, the histories of what has several rows; the sign of life,
    # which is looked for and removed.
    assert before_server.forwarded - before <= 2 + keys + 2
    assert client.get_run(log.run_id).info.status == "FINISHED"
