"""A team of threads spins while the machine is ours, and sleeps beside others."""

import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.speed.busy import neighbours
from benchmarks.speed.loops.ours import Steps
from icl_mlflow.training.compute import device
from icl_mlflow.training.compute.device import compute_threads
from icl_mlflow.training.compute.openmp import SpareTeam, Usage, suited_threads
from icl_mlflow.training.fit import Epoch, fit
from icl_mlflow.training.settings import TrainSettings

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1

pytestmark = pytest.mark.skipif(CORES < 2, reason="one core, or not on Linux")


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def in_a_fresh_thread(work: Callable[[], float]) -> float:
    """What it returns; where other tests have computed, there may be other teams."""
    found: list[float] = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    thread.join()
    return found[0]


def processor_seconds(rounds: int = 40) -> float:
    """Of a moment's work on two threads, and of their waiting for more."""
    values = torch.ones(1 << 17)
    values * 2
    before = time.process_time()
    for _ in range(rounds):
        values * 2
        time.sleep(0.005)
    return time.process_time() - before


@pytest.mark.usefixtures("two_threads")
def test_beside_a_spare_team_threads_do_not_spin() -> None:
    spare = SpareTeam()
    spare.call()
    time.sleep(0.2)
    asleep = in_a_fresh_thread(processor_seconds)
    spare.dismiss()
    # 40 waits of 5 ms, of which each would be spun through for some.
    assert asleep < 0.05


def test_others_are_told_from_ourselves() -> None:
    with neighbours(1):
        time.sleep(0.5)
        before = Usage.until_now()
        time.sleep(1.0)
        assert Usage.until_now().others_since(before) > 0.3


def step_seconds(settings: TrainSettings, threads: int) -> Callable[[], float]:
    steps = Steps(settings)

    def measured() -> float:
        with compute_threads(threads):
            time.sleep(0.5)  # until it has looked at the machine
            taken = []
            for _ in range(5):
                started = time.perf_counter()
                steps.step(steps.draw())
                taken.append(time.perf_counter() - started)
        return statistics.median(taken)

    return measured


def test_two_threads_do_not_collapse_beside_busy_neighbours() -> None:
    # Where they spin, they take five to thirty times as long as one.
    settings = TrainSettings(device="cpu")
    one, two = step_seconds(settings, 1), step_seconds(settings, 2)
    with neighbours(3):
        ratios = [two() / one() for _ in range(3)]
    assert statistics.median(ratios) < 2


def test_neighbours_change_no_bit() -> None:
    settings = TrainSettings(device="cpu")

    def weights() -> torch.Tensor:
        steps = Steps(settings)
        with compute_threads(2):
            for _ in range(4):
                steps.step(steps.draw())
        return steps.weights()

    alone = weights()
    with neighbours(3):
        assert torch.equal(weights(), alone)


#: How many threads a process has, by default and where the user says so.
ASK = """
import time
import torch
from icl_mlflow.training.compute.device import compute_threads
print(torch.get_num_threads())
time.sleep(0.5)
for wanted in (0, 2):
    with compute_threads(wanted):
        print(torch.get_num_threads())
"""


@pytest.mark.parametrize(
    "busy", [CORES - 1, pytest.param(6 * CORES, marks=pytest.mark.slow)]
)
def test_beside_neighbours_one_thread_is_taken_for_each_free_core(busy: int) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    with neighbours(busy):
        asked = subprocess.run(
            [sys.executable, "-c", ASK],
            capture_output=True,
            text=True,
            check=True,
            env=environment,
        )
    assert asked.stdout.split() == [f"{CORES}", "1", "2"]
    assert f"this takes one thread, not {CORES} (threads={CORES} has" in asked.stderr


def test_one_core_is_one_thread() -> None:
    assert suited_threads(1) == 1


def test_a_run_goes_on_with_the_threads_that_it_began_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine is quiet when it begins, and busy when it is gone on with."""
    settings = TrainSettings.preset("smoke", device="cpu", epochs=3)
    straight = fit(replace(settings, threads=2))
    monkeypatch.setattr(device, "suited_threads", lambda _: 2)
    epochs = 0

    def stop(_: Epoch) -> None:
        nonlocal epochs
        epochs += 1
        if epochs == 2:
            raise SystemExit(143)

    with pytest.raises(SystemExit):
        fit(settings, on_epoch=stop, checkpoints=tmp_path)
    monkeypatch.setattr(device, "suited_threads", lambda _: 1)
    resumed = fit(settings, checkpoints=tmp_path)
    for name, value in straight.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name])
    assert torch.equal(straight.test_logit_B, resumed.test_logit_B)
    alone = fit(replace(settings, threads=1))
    assert not torch.equal(alone.test_logit_B, resumed.test_logit_B)
