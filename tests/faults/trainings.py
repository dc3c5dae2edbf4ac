"""Small trainings as a shell starts them, and what must not depend on their fate."""

import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import StringIO
from multiprocessing.process import BaseProcess
from pathlib import Path

import pandas as pd
from mlflow.entities import Run

from icl_mlflow.tracking.models.logged_models import CHECKPOINT
from icl_mlflow.tracking.runs.history import HISTORY
from icl_mlflow.tracking.store.connection import Store
from tests.faults.forked import start

EPOCHS = 12

#: Seconds within which a signal ends a training, with its status and exit code.
SOON = 2.0

#: A moment's training: epochs of 20 steps.
SMALL = [
    "--preset", "smoke", "--epochs", str(EPOCHS), "--train_episodes", "640",
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

    def start(
        self,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        before: Callable[[], None] | None = None,
    ) -> BaseProcess:
        """Start ``icl-mlflow`` in a process of its own."""
        ours = {"MLFLOW_TRACKING_URI": self.store.tracking_uri}
        return start(
            *arguments,
            folder=self.folder,
            environment={**ours, **(environment or {})},
            before=before,
        )

    def finish(
        self, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> None:
        """Run it to its good end."""
        process = self.start(*arguments, environment=environment)
        process.join(300)
        assert process.exitcode == 0, (self.folder / "err").read_text()

    def runs(self, query: str = "") -> list[Run]:
        experiments = [e.experiment_id for e in self.store.client.search_experiments()]
        return list(self.store.client.search_runs(experiments, query))

    def complaints(self) -> list[str]:
        """What is said on stderr but for how far the training is."""
        return [line for line in self.said() if not line.startswith("A-baseline-seed")]

    def said(self) -> list[str]:
        return (self.folder / "err").read_text().splitlines()


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
    outputs = [client.get_logged_model(o.model_id) for o in run.outputs.model_outputs]
    results = [one for one in outputs if CHECKPOINT not in one.tags]
    file = client.download_artifacts(run_id, HISTORY, str(work.folder))
    table = pd.read_csv(StringIO(Path(file).read_text(encoding="utf-8")))
    metrics = {}
    for key in run.data.metrics:
        if key != "episodes_per_second":
            points = client.get_metric_history(run_id, key)
            metrics[key] = tuple((p.step, p.value) for p in points)
    return Outcome(
        sha256=tuple(one.tags["sha256"] for one in results),
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


def wait_for_checkpoints(
    work: Workplace, process: BaseProcess, state: Path | None = None
) -> None:
    """Wait until there is one, in the folder of the state."""
    deadline = time.monotonic() + 60
    folder = state or work.folder / ".icl_mlflow"
    while not any(folder.glob("runs/*/checkpoints/step-*")):
        assert process.is_alive(), work.said()
        assert time.monotonic() < deadline
        time.sleep(0.005)


def kill(process: BaseProcess) -> None:
    """SIGKILL, to the process and all that it has started."""
    assert process.pid is not None
    os.killpg(process.pid, signal.SIGKILL)
    process.join()
