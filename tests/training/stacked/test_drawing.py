"""Batches for a device are drawn by processes: the same ones, in the same order."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from icl_mlflow.suite.grid import grid
from icl_mlflow.training.problem import problem, training_batch, training_batches
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.training.stacked.drawing import BatchSource
from icl_mlflow.training.stacked.joined import JoinedBatches, joined

#: Stands for any device that is not the CPU: nothing is put there.
ELSEWHERE = torch.device("mps")
TINY: dict[str, Any] = {
    "dim": 2,
    "n_context": 4,
    "d_model": 8,
    "n_heads": 2,
    "epochs": 1,
    "train_episodes": 8 * 30,
    "batch_size": 8,
    "queries": 3,
}
MEMBERS = grid(TrainSettings(**TINY), ["baseline", "shuffled_labels"], range(3))


def here(step: int, members: tuple[TrainSettings, ...] = MEMBERS) -> JoinedBatches:
    return joined(training_batches(members, [problem(m) for m in members], step))


def same(one: JoinedBatches, other: JoinedBatches) -> bool:
    pairs = zip(one.tensors(), other.tensors(), strict=True)
    return one.shapes == other.shapes and all(torch.equal(a, b) for a, b in pairs)


def test_members_of_a_suite_see_what_each_would_see_alone() -> None:
    variants = ["baseline", "shuffled_context", "noisy_labels_0.2", "no_position"]
    members = (
        *grid(TrainSettings(**TINY, target="bayes"), variants, range(2)),
        *grid(TrainSettings(**TINY, task="B"), variants, range(2)),
        *grid(TrainSettings(**TINY, curriculum="all"), variants, range(2)),
        *grid(TrainSettings(**TINY, data_seed=1), variants, range(2)),
    )
    problems = [problem(settings) for settings in members]
    for step in (0, 29):
        together = training_batches(members, problems, step)
        for settings, ours in zip(members, together, strict=True):
            alone = training_batch(settings, problem(settings), step, "cpu")
            for name in ("query_x_BQD", "label_BQ", "target_BQ"):
                assert torch.equal(getattr(ours, name), getattr(alone, name))
            for name in ("context_x_BND", "context_y_BN"):
                assert torch.equal(getattr(ours.seen, name), getattr(alone.seen, name))


@pytest.mark.parametrize("steps", [range(3, 30), range(30, 30)])
def test_processes_draw_the_batches_of_every_step_in_order(steps: range) -> None:
    with BatchSource(MEMBERS, ELSEWHERE) as source:
        drawn = list(source.batches(steps))
    assert len(drawn) == len(steps)
    for step, ours in zip(steps, drawn, strict=True):
        assert same(ours, here(step))


def alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_processes_that_draw_do_not_outlive_the_training(tmp_path: Path) -> None:
    """Not even where it is killed, and can tell nobody."""
    script = tmp_path / "trains.py"
    script.write_text(
        "import multiprocessing, time\n"
        "from tests.training.stacked.test_drawing import *\n"
        "if __name__ == '__main__':\n"
        "    with BatchSource(MEMBERS, ELSEWHERE) as source:\n"
        "        next(source.batches(range(30)))\n"
        "        for one in multiprocessing.active_children():\n"
        "            print(one.pid, flush=True)\n"
        "        print('drawn', flush=True)\n"
        "        time.sleep(60)\n"
    )
    root = str(Path(__file__).parents[3])
    trains = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": root},
    )
    assert trains.stdout is not None
    pids = [int(line) for line in iter(trains.stdout.readline, "drawn\n")]
    assert pids
    assert all(alive(pid) for pid in pids)
    trains.send_signal(signal.SIGKILL)
    trains.wait()
    trains.stdout.close()
    end = time.monotonic() + 20
    while any(alive(pid) for pid in pids):
        assert time.monotonic() < end, "they are still there"
        time.sleep(0.1)
