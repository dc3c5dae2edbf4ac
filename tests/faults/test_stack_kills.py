"""Stacks are killed and go on: in the same runs, to the same end, after the last epoch.

ICL_FAULTS_STACK_KILLS is the count of the long form; ICL_FAULTS_SEED draws instants.
"""

import os
import shlex
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess

import numpy as np
import pytest

from tests.faults.ledger import Tally
from tests.faults.trainings import (
    SMALL,
    Outcome,
    Workplace,
    kill,
    missing_steps,
    outcome,
    repeated_steps,
)

STACK_KILLS = int(os.environ.get("ICL_FAULTS_STACK_KILLS", "10"))
SEED = int(os.environ.get("ICL_FAULTS_SEED", "0"))

EPOCHS, SEEDS = 30, 3
STACK = [*SMALL, "--epochs", str(EPOCHS), "--seeds", "0-2", "--engine", "stacked"]
TRAININGS = "tags.kind = 'train'"


def wait_for_epochs(work: Workplace, process: BaseProcess, step: int) -> int:
    """Wait until a stack has kept more steps than that; how many it has kept."""
    deadline = time.monotonic() + 120
    while (kept := steps_kept(work)) <= step and process.is_alive():
        assert time.monotonic() < deadline, work.said()
        time.sleep(0.005)
    return kept


def steps_kept(work: Workplace) -> int:
    files = (work.folder / ".icl_mlflow").glob("stacks/*/step-*.safetensors")
    return max((int(file.name.split("-")[1]) for file in files), default=0)


def outcomes(work: Workplace) -> dict[str, Outcome]:
    """Of the finished trainings, by their seeds."""
    runs = work.runs(f"{TRAININGS} and attributes.status = 'FINISHED'")
    found = {run.data.tags["seed"]: outcome(work, run) for run in runs}
    assert len(found) == len(runs)
    return found


def judge(counts: Tally, work: Workplace) -> None:
    """Every member has finished in one run, which holds every epoch once."""
    runs = work.runs(TRAININGS)
    counts.wrong += len(runs) != SEEDS
    for run in runs:
        counts.wrong += run.info.status != "FINISHED"
        counts.twice += repeated_steps(work, run)
        counts.lost += missing_steps(work, run, EPOCHS)
    # Of a parent whose driver was killed the journal stays, for `sync`.
    state = work.folder / ".icl_mlflow"
    counts.wrong += (state / "stacks").exists()
    counts.wrong += any(state.glob("runs/*/checkpoints"))


@pytest.mark.parametrize(
    "kills", [1, pytest.param(STACK_KILLS, marks=pytest.mark.slow)]
)
def test_a_killed_stack_goes_on_after_its_last_epoch(
    work: Workplace, tally: Callable[..., Tally], kills: int
) -> None:
    counts = tally("SIGKILL of a stack under way, then again", asked=kills)
    rng = np.random.default_rng(SEED)
    kept = 0
    for _ in range(kills):
        process = work.start("train", *STACK)
        before, kept = kept, wait_for_epochs(work, process, kept)
        time.sleep(rng.uniform(0, 0.05))
        if not process.is_alive():  # it was done
            process.join()
            counts.asked = counts.done
            break
        kill(process)
        counts.done += 1
        counts.lost += steps_kept(work) < before
    assert counts.done  # there was something to go on from
    if work.runs(f"{TRAININGS} and attributes.status != 'FINISHED'"):
        work.finish("train", *STACK)
    judge(counts, work)
    again = outcomes(work)
    for run in work.runs():
        work.store.client.delete_run(run.info.run_id)
    work.finish("train", *STACK, "--resume", "never")
    counts.wrong += again != outcomes(work)
    counts.assert_clean()


@pytest.mark.slow
def test_what_reap_advises_for_a_member_of_a_stack_works(
    work: Workplace, tally: Callable[..., Tally]
) -> None:
    counts = tally("the command that reap prints for a member of a killed stack")
    process = work.start("train", *STACK)
    wait_for_epochs(work, process, 0)
    kill(process)
    work.finish("reap")
    listed = (work.folder / "out").read_text().splitlines()
    advised = [line for line in listed if "goes on with: " in line]
    assert len(advised) == SEEDS
    for line in advised:
        command = line.split("goes on with: icl-mlflow ")[1].split(";")[0]
        work.finish(*shlex.split(command))
    counts.done += 1
    judge(counts, work)
    counts.assert_clean()
