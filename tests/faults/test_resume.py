"""Trainings are killed and go on: same weights, same history, nothing twice or missing.

The long form, with counts, is `make test-faults`.
"""

import functools
import importlib
import os
import shlex
import shutil
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest
from mlflow.entities import Run

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


SAVING = "icl_mlflow.training.checkpoint"
FILES = "icl_mlflow.files"
MEMBER = "icl_mlflow.suite.member"
RESULTS = "icl_mlflow.suite.member_artifacts"


@pytest.mark.parametrize(
    ("module", "name", "call"),
    [
        (FILES, "Path.replace", 9),
        (RESULTS, "TrainingResult", 1),  # all is done but for the end of the run
        *(
            pytest.param(*moment, marks=pytest.mark.slow)
            for moment in (
                (SAVING, "safetensors.torch.save", 3),
                (FILES, "os.fsync", 20),
                (FILES, "sync_folder", 4),
                (MEMBER, "begin_checkpoints", 1),
                (MEMBER, "_finish", 1),
                ("icl_mlflow.tracking.models.registration", "_link", 1),
                (MEMBER, "end_checkpoints", 1),
            )
        ),
    ],
)
def test_a_death_at_the_worst_moment_changes_nothing(
    *,
    work: Workplace,
    straight: Outcome,
    tally: Callable[..., Tally],
    module: str,
    name: str,
    call: int,
) -> None:
    counts = tally("SIGKILL inside a save or at the end of a run, then again")
    process = work.start(
        "train", *SMALL, before=functools.partial(die_in, module, name, call)
    )
    process.join(60)
    assert process.exitcode == -signal.SIGKILL, work.said()
    (run,) = work.runs()
    if run.info.status != "FINISHED":
        work.finish("train", *SMALL)
    (finished,) = work.runs("attributes.status = 'FINISHED'")
    judge(counts, work, finished, straight)


def judge(counts: Tally, work: Workplace, finished: Run, straight: Outcome) -> None:
    """Compare a run that was resumed with one that nothing had happened to."""
    counts.done += 1
    counts.wrong += outcome(work, finished) != straight
    counts.twice += repeated_steps(work, finished)
    counts.lost += missing_steps(work, finished, EPOCHS)
    counts.assert_clean()


@pytest.mark.parametrize(
    ("sent", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)]
)
def test_a_signal_leaves_a_checkpoint_within_an_epoch_and_the_run_goes_on(
    work: Workplace,
    straight: Outcome,
    tally: Callable[..., Tally],
    sent: signal.Signals,
    code: int,
) -> None:
    counts = tally(f"{sent.name} in train, then resume")
    process = work.start("train", *SMALL)
    wait_for_checkpoints(work, process)
    time.sleep(0.1)
    assert process.pid is not None
    os.kill(process.pid, sent)
    sent_at = time.monotonic()
    process.join(30)
    took = time.monotonic() - sent_at
    counts.at_most("signal to end (s)", took)
    assert process.exitcode == code
    assert took < SOON
    assert "Traceback" not in "\n".join(work.said())
    (run,) = work.runs()
    assert run.info.status == "KILLED"
    work.finish("train", *SMALL, "--resume", run.info.run_id)
    (finished,) = work.runs()
    judge(counts, work, finished, straight)


def refused(work: Workplace, *arguments: str) -> str:
    process = work.start(*arguments)
    process.join(60)
    assert process.exitcode == 2
    # Beside epochs, which another process may be telling meanwhile.
    (line,) = [one for one in work.said() if one.startswith("Error: ")]
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
    said, command = line.split(" has other settings; go on with it by: icl-mlflow ")
    assert said == f"Error: run {run_id}"
    work.finish("reap")
    (listed, _) = (work.folder / "out").read_text().splitlines()
    assert f"goes on with: icl-mlflow {command}" in listed
    work.store.client.set_tag(run_id, "settings_hash", "bf57d5a26d095724")
    line = refused(work, "train", *SMALL, "--resume", run_id)
    assert f"run {run_id} has these settings, but was begun by a version " in line
    work.store.client.set_tag(run_id, "settings_hash", run.data.tags["settings_hash"])
    line = refused(work, "train", *SMALL, "--seeds", "0,1", "--resume", run_id)
    assert "names one run, but many are trained; choose one of: auto, never" in line
    assert "has no run '0000'" in refused(work, "train", *SMALL, "--resume", "0000")
    assert "the id of a run" in refused(work, "train", *SMALL, "--resume", "../0000")

    shutil.move(work.folder / ".icl_mlflow", work.folder / "elsewhere")
    line = refused(work, "train", *SMALL, "--resume", run_id)
    assert f"run {run_id} has left no checkpoint in " in line
    shutil.move(work.folder / "elsewhere", work.folder / ".icl_mlflow")

    work.finish(*shlex.split(command))  # as it was told to us
    line = refused(work, "train", *SMALL, "--resume", run_id)
    assert line == f"Error: run {run_id} has finished"
    assert len(work.runs()) == 1


def test_what_mlflow_run_has_opened_says_where_it_went_on(
    work: Workplace, straight: Outcome
) -> None:
    process = work.start("train", *SMALL)
    wait_for_checkpoints(work, process)
    kill(process)
    (run,) = work.runs()
    opened = work.store.client.create_run(work.store.experiment_id).info.run_id
    work.finish("train", *SMALL, environment={"MLFLOW_RUN_ID": opened})
    finished = work.store.client.get_run(run.info.run_id)
    assert outcome(work, finished) == straight
    tags = work.store.client.get_run(opened).data.tags
    assert tags["resumed_run_id"] == run.info.run_id
    assert len(work.runs()) == 2


@pytest.mark.slow
def test_never_starts_anew(work: Workplace, straight: Outcome) -> None:
    process = work.start("train", *SMALL)
    wait_for_checkpoints(work, process)
    kill(process)
    (first,) = work.runs()
    work.finish("train", *SMALL, "--resume", "never")
    (finished,) = work.runs("attributes.status = 'FINISHED'")
    assert finished.info.run_id != first.info.run_id
    assert outcome(work, finished) == straight


@pytest.mark.slow
def test_of_two_that_race_for_a_run_one_gets_it(
    work: Workplace, straight: Outcome, tally: Callable[..., Tally]
) -> None:
    counts = tally("two trainings race to resume a run")
    process = work.start("train", *SMALL)
    wait_for_checkpoints(work, process)
    kill(process)
    (run,) = work.runs()
    racers = [
        work.start("train", *SMALL, "--resume", run.info.run_id) for _ in range(2)
    ]
    for racer in racers:
        racer.join(120)
    # The second is refused, or comes when all is done.
    assert sorted(str(racer.exitcode) for racer in racers) == ["0", "2"]
    (finished,) = work.runs()
    judge(counts, work, finished, straight)
