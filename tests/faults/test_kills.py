"""The long form: trainings and suites are killed at random instants, again and again.

`make test-faults` runs it; ICL_FAULTS_KILLS and ICL_FAULTS_ABLATE_KILLS are the counts,
ICL_FAULTS_SEED draws other instants.
"""

import contextlib
import itertools
import json
import os
import signal
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pytest
from mlflow.entities import Run

from tests.faults.ledger import Tally
from tests.faults.trainings import (
    EPOCHS,
    SMALL,
    Outcome,
    Workplace,
    kill,
    missing_steps,
    outcome,
    repeated_steps,
)

KILLS = int(os.environ.get("ICL_FAULTS_KILLS", "100"))
ABLATE_KILLS = int(os.environ.get("ICL_FAULTS_ABLATE_KILLS", "20"))
SEED = int(os.environ.get("ICL_FAULTS_SEED", "0"))

#: A training is killed about as often before it gets to its end, wherever it is then.
KILLS_A_RUN = 3

#: Share of the kills of trainings that wait until one has begun.
AT_WORK = 0.8

RUNNING = "attributes.status = 'RUNNING'"
MEMBERS = "tags.kind = 'train'"

SUITE = ["--variants", "no_labels", "--seeds", "0,1", "--jobs", "2"]


def judge_all(
    work: Workplace,
    finished: list[Run],
    victims: list[str],
    expected: Callable[[Run], Outcome],
    counts: Tally,
) -> None:
    """Add up how finished runs compare with those that nothing had happened to.

    Args:
        work: where they are.
        finished: all of them.
        victims: for every kill the runs that were under way.
        expected: what a run should have left.
        counts: gets the numbers.
    """
    same = ids([run for run in finished if outcome(work, run) == expected(run)])
    resumed = sum(victim in same for victim in victims)
    counts.also |= {
        "kills of a run under way": len(victims),
        "of them resumed to bit-identical": resumed,
        "runs finished": len(finished),
        "of them bit-identical": len(same),
        "RUNNING after reap": running_after_reap(work),
    }
    counts.twice = sum(repeated_steps(work, run) for run in finished)
    counts.lost = sum(missing_steps(work, run, EPOCHS) for run in finished)
    counts.wrong = len(victims) - resumed + len(finished) - len(same)
    counts.wrong += counts.also["RUNNING after reap"]


def running_after_reap(work: Workplace) -> int:
    """How many runs still say RUNNING once the dead are marked."""
    work.finish("reap", "--yes", "--older_than", "0s")
    return len(work.runs(RUNNING))


@pytest.mark.slow
def test_a_hundred_kills_of_trainings(
    work: Workplace, straight: Outcome, tally: Callable[..., Tally]
) -> None:
    counts = tally("SIGKILL in train, then again", asked=KILLS)
    rng = np.random.default_rng(SEED)
    process = work.start("train", *SMALL)
    wait_for_trainers(work, process)
    began = time.monotonic()
    process.join()
    at_work = time.monotonic() - began
    victims: list[str] = []
    stillborn: set[str] = set()
    while counts.done < KILLS:
        process = work.start("train", *SMALL)
        if rng.random() < AT_WORK:
            wait_for_trainers(work, process)
        process.join(rng.uniform(0, at_work / KILLS_A_RUN))
        if not process.is_alive():
            assert process.exitcode == 0, work.said()
            continue
        kill(process)
        counts.done += 1
        for run_id in ids(work.runs(RUNNING)) - stillborn:
            if resumable(work, run_id):
                victims.append(run_id)
            else:
                stillborn.add(run_id)
    work.finish("train", *SMALL)
    finished = work.runs("attributes.status = 'FINISHED'")
    counts.also["runs killed before training began"] = len(stillborn)
    judge_all(work, finished, victims, lambda _: straight, counts)
    assert victims
    counts.assert_clean()


def resumable(work: Workplace, run_id: str) -> bool:
    return (work.folder / ".icl_mlflow/runs" / run_id / "checkpoints").is_dir()


def ids(runs: list[Run]) -> set[str]:
    return {run.info.run_id for run in runs}


def stat(pid: int) -> tuple[str, int]:
    """State and process group of a process; of one that is gone, as of a zombie."""
    try:
        text = Path("/proc", str(pid), "stat").read_text(encoding="utf-8")
    except OSError:
        return "Z", 0
    state, _parent, group, *_ = text.rpartition(")")[2].split()
    return state, int(group)


def trainers(work: Workplace) -> list[int]:
    """The processes that train at this moment."""
    found = []
    for checkpoints in work.folder.glob(".icl_mlflow/runs/*/checkpoints"):
        with contextlib.suppress(OSError, ValueError):
            owner = checkpoints.with_name("owner.json").read_text(encoding="utf-8")
            found.append(json.loads(owner)["pid"])
    return [pid for pid in found if stat(pid)[0] != "Z"]


def wait_for_trainers(work: Workplace, process: BaseProcess) -> None:
    while process.is_alive() and not trainers(work):
        time.sleep(0.02)


def wait_for_end_of_group(group: int) -> None:
    while (group, False) in {
        (found, state == "Z")
        for state, found in (stat(int(p.name)) for p in Path("/proc").glob("[0-9]*"))
    }:
        time.sleep(0.1)


def kill_all(_work: Workplace, process: BaseProcess, _rng: np.random.Generator) -> None:
    kill(process)


def kill_the_parent(
    _work: Workplace, process: BaseProcess, _rng: np.random.Generator
) -> None:
    process.kill()
    process.join()


def kill_a_member(
    work: Workplace, process: BaseProcess, rng: np.random.Generator
) -> None:
    at_work = trainers(work)
    if at_work:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(rng.choice(at_work)), signal.SIGKILL)
    process.join(300)


WAYS = (kill_all, kill_the_parent, kill_a_member)


def outcomes(work: Workplace, runs: list[Run]) -> dict[tuple[str, str], Outcome]:
    return {
        (run.data.tags["variant"], run.data.tags["seed"]): outcome(work, run)
        for run in runs
    }


@pytest.mark.slow
def test_twenty_kills_of_suites(work: Workplace, tally: Callable[..., Tally]) -> None:
    counts = tally("SIGKILL in ablate, then again", asked=ABLATE_KILLS)
    rng = np.random.default_rng(SEED)
    command = ["ablate", *SMALL, *SUITE, "--experiment"]
    work.finish(*command, "straight")
    expected = outcomes(work, work.runs(MEMBERS))
    assert len(expected) == 4
    victims: list[str] = []
    suites = 1
    for number in itertools.count():
        while counts.done < ABLATE_KILLS:
            process = work.start(*command, f"round-{number}")
            wait_for_trainers(work, process)
            process.join(rng.uniform(0, 3))
            if not process.is_alive():
                break
            assert process.pid is not None
            WAYS[rng.integers(len(WAYS))](work, process, rng)
            wait_for_end_of_group(process.pid)
            counts.done += 1
            unfinished = work.runs(f"{MEMBERS} AND attributes.status != 'FINISHED'")
            victims += [one for one in ids(unfinished) if resumable(work, one)]
        work.finish(*command, f"round-{number}")
        suites += 1
        if counts.done >= ABLATE_KILLS:
            break
    finished = work.runs(f"{MEMBERS} AND attributes.status = 'FINISHED'")

    def straight_member(run: Run) -> Outcome:
        return expected[run.data.tags["variant"], run.data.tags["seed"]]

    judge_all(work, finished, victims, straight_member, counts)
    counts.also["suites"] = suites
    assert victims
    counts.assert_clean()
    assert len(finished) == 4 * suites
