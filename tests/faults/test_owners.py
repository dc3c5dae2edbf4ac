"""A run has one owner, whichever machine a copy of its folder gets to.

Another machine is a process whose process numbers mean nothing here, with a copy of the
state folder in which no lock is held. ICL_FAULTS_OWNERS is the count of the long form.
"""

import functools
import os
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pytest

from icl_mlflow.tracking.local import liveness
from icl_mlflow.tracking.outbox import sender
from icl_mlflow.tracking.runs import ownership
from tests.faults.ledger import Tally
from tests.faults.trainings import (
    EPOCHS,
    SMALL,
    SOON,
    Outcome,
    Workplace,
    kill,
    missing_steps,
    outcome,
    repeated_steps,
    wait_for_checkpoints,
)

OWNERS = int(os.environ.get("ICL_FAULTS_OWNERS", "20"))
SEED = int(os.environ.get("ICL_FAULTS_SEED", "0"))

#: Too long to end by itself.
LONG = [*SMALL, "--epochs", "100000"]

BEAT, LISTENING = 0.3, 3.0


def on_machine(name: str) -> None:
    """Be on another machine, which is as patient as a test."""
    liveness._machine = lambda: name  # type: ignore[assignment]
    sender.BEAT = BEAT
    ownership.LISTENING = LISTENING


def suspend(work: Workplace, process: BaseProcess) -> None:
    """SIGSTOP, at an instant when the process holds no lock on the database."""
    assert process.pid is not None
    while True:
        os.kill(process.pid, signal.SIGSTOP)
        database = sqlite3.connect(work.folder / "mlflow.db", timeout=0)
        try:
            database.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            os.kill(process.pid, signal.SIGCONT)
            time.sleep(0.01)
        else:
            return
        finally:
            database.close()


def start_on(work: Workplace, machine: str, *arguments: str) -> BaseProcess:
    """Start a command on a machine, which has its own state folder."""
    state = {"ICL_MLFLOW_STATE": str(state_of(work, machine))}
    before = functools.partial(on_machine, machine)
    return work.start(*arguments, environment=state, before=before)


def state_of(work: Workplace, machine: str) -> Path:
    return work.folder / machine


def copy_state(work: Workplace, source: str, target: str) -> None:
    """As rsync does: whatever is there at the time."""
    for _ in range(100):
        shutil.rmtree(state_of(work, target), ignore_errors=True)
        try:
            shutil.copytree(state_of(work, source), state_of(work, target))
        except shutil.Error:  # a file went while it was copied
            continue
        if any(state_of(work, target).glob("runs/*/checkpoints/step-*.safetensors")):
            return
    pytest.fail("nothing to copy")


@pytest.mark.parametrize(
    "how", ["auto", "named", pytest.param("ablate", marks=pytest.mark.slow)]
)
def test_a_copied_folder_does_not_give_a_live_run_to_a_second_machine(
    work: Workplace, tally: Callable[..., Tally], how: str
) -> None:
    counts = tally("a second machine with a copied folder of a live run")
    suite = ["ablate", *LONG, "--variants", "baseline", "--seeds", "0", "--jobs", "1"]
    command = suite if how == "ablate" else ["train", *LONG]
    first = start_on(work, "first", *command)
    wait_for_checkpoints(work, first, state_of(work, "first"))
    copy_state(work, "first", "second")
    (run,) = work.runs("tags.kind = 'train'")
    run_id = run.info.run_id
    if how == "named":
        second = start_on(work, "second", *command, "--resume", run_id)
        second.join(60)
        counts.wrong += second.exitcode != 2
        # The first process tells its epochs meanwhile.
        (line,) = [one for one in work.said() if one.startswith("Error: ")]
        assert line.startswith(f"Error: run {run_id} is being trained by process ")
        assert f"process {first.pid} on " in line
    else:  # it trains a run of its own
        second = start_on(work, "second", *command)
        wait_for_runs(work, 2)
        time.sleep(1)
        kill(second)
    kill(first)
    counts.done += 1
    (run,) = [r for r in work.runs("tags.kind = 'train'") if r.info.run_id == run_id]
    counts.twice += repeated_steps(work, run)
    counts.assert_clean()


def wait_for_runs(work: Workplace, number: int) -> None:
    deadline = time.monotonic() + 60
    while len(work.runs("tags.kind = 'train'")) < number:
        assert time.monotonic() < deadline, work.said()
        time.sleep(0.1)


def test_a_machine_that_wakes_up_leaves_its_run_to_the_one_that_goes_on_with_it(
    work: Workplace, straight: Outcome, tally: Callable[..., Tally]
) -> None:
    counts = tally("a suspended machine's run goes on elsewhere, then it wakes up")
    first = start_on(work, "first", "train", *SMALL)
    wait_for_checkpoints(work, first, state_of(work, "first"))
    suspend(work, first)
    copy_state(work, "first", "second")
    (run,) = work.runs()
    began = time.monotonic()
    second = start_on(work, "second", "train", *SMALL)
    second.join(60)
    assert second.exitcode == 0, work.said()
    assert time.monotonic() - began >= LISTENING
    assert first.pid is not None
    os.kill(first.pid, signal.SIGCONT)
    first.join(10 * SOON)
    # Its end was in the first process's hands too, unless that noticed before.
    counts.wrong += first.exitcode not in {0, 2}
    judge(counts, work, run.info.run_id, straight)


def test_a_run_that_another_machine_has_taken_stops_here(
    work: Workplace, tally: Callable[..., Tally]
) -> None:
    counts = tally("a suspended machine's run goes on elsewhere, then it wakes up")
    first = start_on(work, "first", "train", *LONG)
    wait_for_checkpoints(work, first, state_of(work, "first"))
    suspend(work, first)
    copy_state(work, "first", "second")
    (run,) = work.runs()
    second = start_on(work, "second", "train", *LONG, "--resume", run.info.run_id)
    deadline = time.monotonic() + 60
    while f'"pid": {second.pid},' not in work.runs()[0].data.tags["heartbeat"]:
        assert time.monotonic() < deadline, work.said()
        time.sleep(0.1)
    time.sleep(1.0)
    assert first.pid is not None
    os.kill(first.pid, signal.SIGCONT)
    first.join(60)
    counts.done += 1
    counts.wrong += first.exitcode != 2
    kill(second)
    (run,) = work.runs()
    assert run.info.status == "RUNNING"  # the first had no word on it
    counts.twice += repeated_steps(work, run)
    counts.assert_clean()


def judge(counts: Tally, work: Workplace, run_id: str, straight: Outcome) -> None:
    """The one run is there once, and as if nothing had happened to it."""
    (run,) = work.runs()
    counts.done += 1
    counts.wrong += run.info.run_id != run_id or run.info.status != "FINISHED"
    counts.wrong += outcome(work, run) != straight
    counts.twice += repeated_steps(work, run)
    counts.lost += missing_steps(work, run, EPOCHS)
    counts.assert_clean()


@pytest.mark.slow
def test_of_many_machines_that_take_a_dead_run_at_once_one_gets_it(
    work: Workplace, tally: Callable[..., Tally]
) -> None:
    counts = tally("two machines race for a dead machine's run", asked=OWNERS)
    rng = np.random.default_rng(SEED)
    for _ in range(OWNERS):
        first = start_on(work, "first", "train", *SMALL, "--resume", "never")
        wait_for_checkpoints(work, first, state_of(work, "first"))
        time.sleep(rng.uniform(0, 0.2))
        kill(first)
        run, *_ = work.runs()
        if run.info.status == "FINISHED":
            continue
        racers = []
        for machine in ("second", "third"):
            copy_state(work, "first", machine)
            arguments = ["train", *SMALL, "--resume", run.info.run_id]
            racers.append(start_on(work, machine, *arguments))
            time.sleep(rng.uniform(0, 0.5))
        for racer in racers:
            racer.join(120)
        # The other is refused, or comes when all is done.
        ends = sorted(str(racer.exitcode) for racer in racers)
        run = work.store.client.get_run(run.info.run_id)
        counts.done += 1
        counts.wrong += ends != ["0", "2"] or run.info.status != "FINISHED"
        counts.twice += repeated_steps(work, run)
        counts.lost += missing_steps(work, run, EPOCHS)
        shutil.rmtree(state_of(work, "first"))
    counts.asked = counts.done
    assert counts.done
    counts.assert_clean()
