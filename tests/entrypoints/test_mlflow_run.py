"""`mlflow run` as people type it: params, statuses and errors."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.training.settings import TrainSettings
from tests.entrypoints.launcher import ROOT, mlflow_run, runs
from tests.tiny import MOMENT, PARAMETERS


def test_a_rate_typed_in_any_way_trains(store: Store) -> None:
    """It is shown as it was typed, and is the same settings as any other spelling."""
    result = mlflow_run("train", "lr=3e-4", "epochs=1", *PARAMETERS)
    assert result.returncode == 0, result.stderr
    (run,) = runs(store)
    assert run.data.params["lr"] == "3e-4"
    settings = TrainSettings.preset("smoke", lr=0.0003, epochs=1, **MOMENT)
    assert run.data.tags["settings_hash"] == settings.identity
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "A-baseline-seed0"
    assert run.data.params["epochs"] == "1"
    assert run.data.params["d_model"] == "32"
    assert run.data.metrics["test/excess_risk"] > 0


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        ("task=Z", "Error: unknown task 'Z'; choose one of: A, B, C, D, E, F"),
        ("lr=abc", "Error: Invalid value for '--lr': 'abc' is not a valid float."),
        pytest.param(
            "task=",
            "Error: unknown task ''; choose one of: A, B, C, D, E, F",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_bad_input_is_one_line_and_a_failed_run(
    store: Store, parameter: str, message: str
) -> None:
    result = mlflow_run("train", parameter)
    assert result.returncode == 1
    errors = [x for x in result.stderr.splitlines() if x.startswith("Error: ")]
    assert errors == [message]
    assert "Traceback" not in result.stderr
    assert [run.info.status for run in runs(store)] == ["FAILED"]


def test_the_name_that_is_typed_stays(store: Store) -> None:
    result = mlflow_run(
        "train", "epochs=1", *PARAMETERS, options=["--run-name", "my own"]
    )
    assert result.returncode == 0, result.stderr
    (run,) = runs(store)
    assert (run.info.status, run.info.run_name) == ("FINISHED", "my own")


def test_the_description_and_tags_of_the_run_that_is_given_stay(store: Store) -> None:
    said = {MLFLOW_RUN_NOTE: "my *own* words", "mine": "yes"}
    given = store.client.create_run(store.experiment_id, tags=said, run_name="my own")
    run_id = given.info.run_id
    result = mlflow_run("train", "epochs=1", *PARAMETERS, options=["--run-id", run_id])
    assert result.returncode == 0, result.stderr
    (run,) = runs(store)
    assert (run.info.status, run.info.run_name) == ("FINISHED", "my own")
    assert said.items() <= run.data.tags.items()


@pytest.mark.parametrize(
    "entry_point", ["train", pytest.param("analyze", marks=pytest.mark.slow)]
)
def test_a_dry_run_is_refused_in_one_line(store: Store, entry_point: str) -> None:
    needed = ["run_id=4f2a"] if entry_point == "analyze" else PARAMETERS
    result = mlflow_run(entry_point, "dry_run=true", *needed)
    assert result.returncode == 1  # whatever the command ends with
    (line,) = [x for x in result.stderr.splitlines() if x.startswith("Error: ")]
    assert f"use `icl-mlflow {entry_point} --dry_run`" in line
    assert "Traceback" not in result.stderr
    assert [run.info.status for run in runs(store)] == ["FAILED"]


@pytest.mark.parametrize("command", ["train", "ablate", "analyze"])
def test_its_exit_code_is_that_of_bad_input(store: Store, command: str) -> None:
    """What `mlflow run` starts, asked by itself: `mlflow run` has codes of its own."""
    given = store.client.create_run(store.experiment_id).info.run_id
    words = ["--run_id", "4f2a"] if command == "analyze" else ["--preset", "smoke"]
    done = subprocess.run(
        [sys.executable, "-m", f"entrypoints.{command}", "--dry_run", "true", *words],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "MLFLOW_RUN_ID": given},
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1


def without_conda(store: Store) -> None:
    """Plain ``mlflow run``, where conda is nowhere to be found."""
    environment = {**os.environ, "PATH": "/usr/bin:/bin", "MLFLOW_CONDA_HOME": ""}
    done = subprocess.run(
        [sys.executable, "-m", "mlflow", "run", str(ROOT), "-e", "train"],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 1
    assert "conda" in done.stderr
    assert len(runs(store)) == 1


def killed_early(store: Store) -> None:
    """``mlflow run`` and all of its processes die when the run has been opened."""
    with subprocess.Popen(
        [*MLFLOW_RUN, str(ROOT), "-e", "train", "--env-manager", "local"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        deadline = time.monotonic() + 60
        while not (found := runs(store)) or "preset" not in found[0].data.params:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)


MLFLOW_RUN = [sys.executable, "-m", "mlflow", "run"]


@pytest.mark.parametrize("end", [without_conda, killed_early])
def test_a_run_that_no_process_came_to_take_is_reaped(
    store: Store, end: Callable[[Store], None]
) -> None:
    end(store)
    (run,) = runs(store)
    assert run.info.status == "RUNNING"
    reap = [sys.executable, "-m", "icl_mlflow.cli.main", "reap", "--untaken", "0s"]
    listed = subprocess.run(reap, capture_output=True, text=True, check=True).stdout
    assert f"{run.info.run_id}  {run.info.run_name}: opened by `mlflow run`" in listed
    subprocess.run([*reap, "--yes"], capture_output=True, check=True)
    assert [run.info.status for run in runs(store)] == ["KILLED"]
