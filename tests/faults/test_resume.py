"""Trainings are killed and go on: same weights, same history, nothing twice or missing.

The long form, with counts, is `make test-faults`.
"""

import functools
import importlib
import os
import shutil
import signal
import time
from dataclasses import dataclass
from io import StringIO
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow.entities import Run

from icl_mlflow.tracking.results import HISTORY
from icl_mlflow.tracking.store import Store, connect
from tests.faults.forked import start

KILLS = int(os.environ.get("ICL_FAULTS_KILLS", "100"))
ABLATE_KILLS = int(os.environ.get("ICL_FAULTS_ABLATE_KILLS", "20"))

#: A moment's training: 12 epochs of 20 steps.
SMALL = [
    "--preset", "smoke", "--epochs", "12", "--train_episodes", "640",
    "--batch_size", "32", "--val_episodes", "64", "--test_episodes", "64",
    "--dim", "2", "--n_context", "4", "--d_model", "16", "--threads", "1",
    "--lr", "1e-2",
]  # fmt: skip


@dataclass
class Workplace:
    """A folder with an embedded store, and commands that run in it.

    Attributes:
        folder: the working folder.
        store: what is in it.
    """

    folder: Path
    store: Store

    def start(self, *arguments: str, before: Any = None) -> BaseProcess:
        return start(
            *arguments,
            folder=self.folder,
            environment={"MLFLOW_TRACKING_URI": self.store.tracking_uri},
            before=before,
        )

    def finish(self, *arguments: str) -> None:
        process = self.start(*arguments)
        process.join(120)
        assert process.exitcode == 0, (self.folder / "err").read_text()

    def runs(self, query: str = "") -> list[Run]:
        experiments = [e.experiment_id for e in self.store.client.search_experiments()]
        return list(self.store.client.search_runs(experiments, query))

    def said(self) -> list[str]:
        return (self.folder / "err").read_text().splitlines()


@pytest.fixture
def work(
    new_folder: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch
) -> Workplace:
    shutil.copy(empty_database, new_folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{new_folder}/mlflow.db")
    monkeypatch.delenv("ICL_MLFLOW_STATE", raising=False)
    return Workplace(new_folder, connect())


@dataclass(frozen=True)
class Outcome:
    """All that a training run leaves and that must not depend on how it was run."""

    sha256: tuple[str, ...]
    history: str
    best_epoch: str
    metrics: dict[str, tuple[tuple[int, float], ...]]
    datasets: int


def outcome(work: Workplace, run: Run) -> Outcome:
    client, run_id = work.store.client, run.info.run_id
    versions = client.search_model_versions(f"run_id='{run_id}'")
    file = client.download_artifacts(run_id, HISTORY, str(work.folder))
    table = pd.read_csv(StringIO(Path(file).read_text(encoding="utf-8")))
    metrics = {}
    for key in run.data.metrics:
        if key != "episodes_per_second":
            points = client.get_metric_history(run_id, key)
            metrics[key] = tuple((p.step, p.value) for p in points)
    return Outcome(
        sha256=tuple(version.tags["sha256"] for version in versions),
        history=table.drop(columns="episodes_per_second").to_csv(),
        best_epoch=run.data.tags["best_epoch"],
        metrics={key: tuple(sorted(points)) for key, points in metrics.items()},
        datasets=len(run.inputs.dataset_inputs),
    )


def repeated_steps(work: Workplace, run: Run) -> int:
    """How many points of a run came again at a step that they had been at."""
    total = 0
    for key in run.data.metrics:
        points = work.store.client.get_metric_history(run.info.run_id, key)
        total += len(points) - len({point.step for point in points})
    return total


def missing_steps(work: Workplace, run: Run, epochs: int) -> int:
    """How many epochs' values are missing, over all metrics of a training run."""
    total = 0
    for key in (*run.data.metrics, "train/loss", "val/loss"):
        points = work.store.client.get_metric_history(run.info.run_id, key)
        wanted = {epochs} if key.startswith("test/") else set(range(epochs))
        total += len(wanted - {point.step for point in points})
    return total


@pytest.fixture(scope="module")
def straight(empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """What the small training leaves when nothing happens to it."""
    folder = tmp_path_factory.mktemp("straight")
    shutil.copy(empty_database, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        patch.chdir(folder)
        work = Workplace(folder, connect())
        work.finish("train", *SMALL)
        (run,) = work.runs()
        assert sorted(path.name for path in folder.glob(".icl_mlflow")) == []
        return outcome(work, run)


def kept_checkpoints(work: Workplace) -> list[Path]:
    return list(work.folder.glob(".icl_mlflow/runs/*/checkpoints/step-*"))


def wait_for_checkpoints(work: Workplace, process: BaseProcess) -> None:
    deadline = time.monotonic() + 60
    while not kept_checkpoints(work):
        assert process.is_alive(), work.said()
        assert time.monotonic() < deadline
        time.sleep(0.005)


def kill(process: BaseProcess) -> None:
    """SIGKILL, to the process and all that it has started."""
    assert process.pid is not None
    os.killpg(process.pid, signal.SIGKILL)
    process.join()


def test_a_killed_run_goes_on_in_the_same_run_and_ends_the_same(
    work: Workplace, straight: Outcome
) -> None:
    for seconds in (0.0, 0.1, 0.2):
        process = work.start("train", *SMALL)
        wait_for_checkpoints(work, process)
        time.sleep(seconds)
        kill(process)
        assert process.exitcode == -signal.SIGKILL
    (run,) = work.runs()
    assert run.info.status == "RUNNING"
    work.finish("train", *SMALL)
    (finished,) = work.runs()
    assert finished.info.run_id == run.info.run_id
    assert finished.info.status == "FINISHED"
    out = (work.folder / "out").read_text().splitlines()
    assert out[0] == f"resumes  {run.info.run_id}"
    assert outcome(work, finished) == straight
    assert repeated_steps(work, finished) == 0
    assert not (work.folder / ".icl_mlflow").exists()


def die_in(module: str, name: str, call: int) -> None:
    """Have this very process killed at the nth call of a function."""
    *path, last = name.split(".")
    place = importlib.import_module(module)
    for part in path:
        place = getattr(place, part)
    function, calls = getattr(place, last), iter(range(1, call + 1))

    def die(*given: Any, **named: Any) -> Any:
        if next(calls) == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*given, **named)

    setattr(place, last, die)


@pytest.mark.parametrize(
    ("module", "name", "call"),
    [
        ("icl_mlflow.training.checkpoint", "safetensors.torch.save", 3),
        ("icl_mlflow.training.checkpoint", "os.fsync", 20),
        ("icl_mlflow.training.checkpoint", "Path.replace", 9),
        ("icl_mlflow.training.checkpoint", "_sync_folder", 3),
        ("icl_mlflow.launch.member", "_finish", 1),
        ("icl_mlflow.tracking.registration", "_link", 1),
        ("icl_mlflow.launch.member", "Trained", 1),
        ("icl_mlflow.launch.member", "end_checkpoints", 1),
    ],
)
def test_a_death_at_the_worst_moment_changes_nothing(
    work: Workplace, straight: Outcome, module: str, name: str, call: int
) -> None:
    process = work.start(
        "train", *SMALL, before=functools.partial(die_in, module, name, call)
    )
    process.join(60)
    assert process.exitcode == -signal.SIGKILL, work.said()
    (run,) = work.runs()
    if run.info.status != "FINISHED":
        work.finish("train", *SMALL)
    (finished,) = work.runs()
    assert finished.info.status == "FINISHED"
    assert outcome(work, finished) == straight
    assert repeated_steps(work, finished) == 0


@pytest.mark.parametrize(
    ("sent", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)]
)
def test_a_signal_leaves_a_checkpoint_within_an_epoch_and_the_run_goes_on(
    work: Workplace, straight: Outcome, sent: signal.Signals, code: int
) -> None:
    process = work.start("train", *SMALL)
    wait_for_checkpoints(work, process)
    time.sleep(0.1)
    assert process.pid is not None
    os.kill(process.pid, sent)
    sent_at = time.monotonic()
    process.join(30)
    assert process.exitcode == code
    assert time.monotonic() - sent_at < 2
    assert "Traceback" not in "\n".join(work.said())
    (run,) = work.runs()
    assert run.info.status == "KILLED"
    work.finish("train", *SMALL, "--resume", run.info.run_id)
    (finished,) = work.runs()
    assert outcome(work, finished) == straight
    assert repeated_steps(work, finished) == 0


def refused(work: Workplace, *arguments: str) -> str:
    process = work.start(*arguments)
    process.join(60)
    assert process.exitcode == 2
    (line,) = work.said()
    return line


def test_a_run_that_a_live_process_has_is_refused_to_a_second(work: Workplace) -> None:
    first = work.start("train", *SMALL, "--epochs", "100000")
    wait_for_checkpoints(work, first)
    (run,) = work.runs()
    arguments = ["train", *SMALL, "--epochs", "100000", "--resume", run.info.run_id]
    line = refused(work, *arguments)
    assert line.startswith(f"Error: run {run.info.run_id} is being trained by process ")
    assert str(first.pid) in line
    assert len(work.runs()) == 1
    kill(first)


def test_a_run_that_cannot_be_gone_on_with_is_refused_in_one_line(
    work: Workplace,
) -> None:
    process = work.start("train", *SMALL)
    wait_for_checkpoints(work, process)
    kill(process)
    (run,) = work.runs()
    run_id = run.info.run_id
    line = refused(work, "train", *SMALL, "--seed", "1", "--resume", run_id)
    assert line == (
        f"Error: run {run_id} has other settings; give those of its settings.json"
    )
    line = refused(work, "train", *SMALL, "--seeds", "0,1", "--resume", run_id)
    assert "names one run, but many are trained; choose one of: auto, never" in line
    assert "has no run '0000'" in refused(work, "train", *SMALL, "--resume", "0000")
    assert "the id of a run" in refused(work, "train", *SMALL, "--resume", "../0000")

    shutil.move(work.folder / ".icl_mlflow", work.folder / "elsewhere")
    line = refused(work, "train", *SMALL, "--resume", run_id)
    assert f"run {run_id} has left no checkpoint in " in line
    shutil.move(work.folder / "elsewhere", work.folder / ".icl_mlflow")

    work.finish("train", *SMALL, "--resume", run_id)
    line = refused(work, "train", *SMALL, "--resume", run_id)
    assert line == f"Error: run {run_id} has finished"
    assert len(work.runs()) == 1


def test_never_starts_anew(work: Workplace, straight: Outcome) -> None:
    process = work.start("train", *SMALL)
    wait_for_checkpoints(work, process)
    kill(process)
    (first,) = work.runs()
    work.finish("train", *SMALL, "--resume", "never")
    (finished,) = work.runs("attributes.status = 'FINISHED'")
    assert finished.info.run_id != first.info.run_id
    assert outcome(work, finished) == straight
