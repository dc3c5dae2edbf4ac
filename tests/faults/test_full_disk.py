"""A disk that is full, at whatever is written: one line, and nothing is lost.

ICL_FAULTS_DISKS is how many sizes of disk are tried: on each a training gets a bit
further than on the one before.
"""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from icl_mlflow.tracking.store.connection import connect
from tests.disk import small_disk
from tests.faults.ledger import Tally
from tests.faults.trainings import (
    EPOCHS,
    SMALL,
    Outcome,
    Workplace,
    missing_steps,
    outcome,
    repeated_steps,
    wait_for_checkpoints,
)

DISKS = int(os.environ.get("ICL_FAULTS_DISKS", "4"))

#: Kilobytes: from a disk on which not even a run's folder finds room to one on which
#: a small training does.
SIZES = [int(size) for size in np.geomspace(4, 1_000, DISKS)]

ENOUGH = "16m"


def test_a_full_disk_is_one_line_and_exit_code_4_and_the_run_goes_on(
    work: Workplace, straight: Outcome, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk", "8m") as disk:
        elsewhere = {"ICL_MLFLOW_STATE": str(disk)}
        stuffing = disk / "stuffing"
        process = work.start("train", *SMALL, environment=elsewhere)
        wait_for_checkpoints(work, process, disk)
        with contextlib.suppress(OSError), stuffing.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(1 << 12))
        process.join(60)
        assert process.exitcode == 4
        (line,) = work.complaints()
        assert line.startswith("Error: storage: ")
        assert "No space left on device" in line
        (run,) = work.runs()
        assert run.info.status == "FAILED"

        stuffing.unlink()
        work.finish("train", *SMALL, environment=elsewhere)
        (finished,) = work.runs()
        assert outcome(work, finished) == straight
        assert repeated_steps(work, finished) == 0


def enlarge(disk: Path) -> None:
    subprocess.run(["mount", "-o", f"remount,size={ENOUGH}", str(disk)], check=True)


@pytest.mark.parametrize(
    "sizes",
    [
        [6, 14],  # no room for the end of the run; for its journal alone
        pytest.param(SIZES, marks=pytest.mark.slow),
    ],
    ids=len,
)
def test_a_disk_that_is_full_at_each_kind_of_write(
    work: Workplace,
    straight: Outcome,
    tally: Callable[..., Tally],
    tmp_path: Path,
    sizes: list[int],
) -> None:
    counts = tally("disk of the run's state full, then enlarged", asked=len(sizes))
    counts.also["runs resumed"] = 0
    for number, size in enumerate(sizes):
        experiment = ["--experiment", f"disk-{number}"]
        with small_disk(tmp_path / f"disk-{number}", f"{size}k") as disk:
            elsewhere = {"ICL_MLFLOW_STATE": str(disk / "state")}
            process = work.start("train", *SMALL, *experiment, environment=elsewhere)
            process.join(120)
            counts.done += 1
            if process.exitcode:
                right = process.exitcode == 4 and is_one_line(work.complaints())
                counts.wrong += not right
                counts.wrong += bool(work.runs("attributes.status = 'RUNNING'"))
                if not right:  # for whoever reads why this has failed
                    print(f"{size} kB:", process.exitcode, *work.said())
            enlarge(disk)
            if process.exitcode:
                work.finish("train", *SMALL, *experiment, environment=elsewhere)
                out = (work.folder / "out").read_text()
                counts.also["runs resumed"] += out.startswith("resumes")
        (finished,) = work.runs("attributes.status = 'FINISHED'")
        counts.wrong += outcome(work, finished) != straight
        counts.twice += repeated_steps(work, finished)
        counts.lost += missing_steps(work, finished, EPOCHS)
        for run in work.runs():  # the next disk is another matter
            work.store.client.delete_run(run.info.run_id)
    counts.assert_clean()


def is_one_line(said: list[str]) -> bool:
    return (
        len(said) == 1
        and said[0].startswith("Error: storage: ")
        and "No space left on device" in said[0]
    )


@pytest.mark.slow
def test_a_disk_that_is_full_under_the_store(
    work: Workplace, straight: Outcome, tally: Callable[..., Tally], tmp_path: Path
) -> None:
    """The training is not stopped by it; what is left is sent once there is room."""
    counts = tally("disk of the embedded store full, then enlarged; sync")
    with small_disk(tmp_path / "disk", "8m") as disk:
        database = Path(shutil.copy(work.folder / "mlflow.db", disk))
        elsewhere = {
            "MLFLOW_TRACKING_URI": f"sqlite:///{database}",
            "ICL_MLFLOW_STATE": str(work.folder / "state"),
        }
        process = work.start("train", *SMALL, environment=elsewhere)
        wait_for_checkpoints(work, process, work.folder / "state")
        with contextlib.suppress(OSError), (disk / "stuffing").open("wb", 0) as file:
            while True:
                file.write(bytes(1 << 12))
        process.join(120)
        assert process.exitcode == 0, work.said()
        counts.done += 1
        (disk / "stuffing").unlink()
        work.finish("sync", str(work.folder / "state"), environment=elsewhere)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MLFLOW_TRACKING_URI", elsewhere["MLFLOW_TRACKING_URI"])
            there = Workplace(work.folder, connect())
        (finished,) = there.runs()
        counts.wrong += finished.info.status != "FINISHED"
        counts.wrong += outcome(there, finished) != straight
        counts.twice += repeated_steps(there, finished)
        counts.lost += missing_steps(there, finished, EPOCHS)
    counts.assert_clean()


@pytest.mark.slow
def test_a_suite_that_finds_the_disk_full_says_so_by_its_exit_code(
    work: Workplace, tally: Callable[..., Tally], tmp_path: Path
) -> None:
    counts = tally("disk full in a suite, then enlarged")
    command = ["train", *SMALL, "--seeds", "0,1", "--jobs", "1"]
    with small_disk(tmp_path / "disk", "64k") as disk:
        elsewhere = {"ICL_MLFLOW_STATE": str(disk / "state")}
        process = work.start(*command, environment=elsewhere)
        process.join(120)
        counts.done += 1
        assert process.exitcode == 4, work.said()
        enlarge(disk)
        work.finish(*command, environment=elsewhere)
    members = work.runs("tags.kind = 'train' AND attributes.status = 'FINISHED'")
    counts.lost += 2 - len(members)
    counts.assert_clean()


@pytest.mark.slow
def test_a_full_temporary_folder_is_named_with_its_variable(
    work: Workplace, tmp_path: Path
) -> None:
    """With room for nothing, and with room for all but a figure or a model."""
    for number, (size, command) in enumerate(
        [("4k", "train"), ("24k", "train"), ("4k", "load")]
    ):
        with small_disk(tmp_path / f"tmp-{number}", size) as disk:
            if command == "load":
                work.finish("train", *SMALL)
                (run,) = work.runs("attributes.status = 'FINISHED'")
                program = ["-m", "icl_mlflow.cli.main", "analyze"]
                program += ["--run_id", run.info.run_id, "--analyses", "calibration"]
            else:
                program = ["-m", "icl_mlflow.cli.main", "train", *SMALL]
            done = subprocess.run(
                [sys.executable, *program],
                cwd=work.folder,
                capture_output=True,
                text=True,
                check=False,
                env={
                    **os.environ,
                    "TMPDIR": str(disk),
                    "MLFLOW_TRACKING_URI": work.store.tracking_uri,
                },
            )
        assert done.returncode == 4, done.stderr
        (line,) = [one for one in done.stderr.splitlines() if "Error" in one]
        assert "Traceback" not in done.stderr
        assert line.startswith("Error: storage: ")
        assert f"set TMPDIR to another: '{disk}'" in line
        assert not work.runs("attributes.status = 'RUNNING'")
