"""Others make the tables, or hold the database, while our programs start.

What `mlflow ui` and `mlflow run` do to a database that is not there happens here in a
process forked after the slow imports, so that all really meet in one second.
ICL_FAULTS_CREATORS is the count of the long form.
"""

import functools
import importlib
import itertools
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Timer
from typing import Any

import numpy as np
import pytest

from icl_mlflow.tracking.store import schema
from icl_mlflow.tracking.store.connection import StoreError, connect
from tests.faults.ledger import Tally
from tests.faults.trainings import SMALL, Workplace, missing_steps, repeated_steps

CREATORS = int(os.environ.get("ICL_FAULTS_CREATORS", "10"))
SEED = int(os.environ.get("ICL_FAULTS_SEED", "0"))
ROWS = 5
OURS = 3

#: Forks one that creates the tables as MLflow does, and ours at the seconds given.
MEETING = """
import os, sys, time, traceback
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from icl_mlflow.tracking.runs.lifecycle import open_run
from icl_mlflow.tracking.store.connection import connect

def foreign(number):
    SqlAlchemyStore("sqlite:///mlflow.db", "./mlruns")

def ours(number):
    with open_run(connect(), name=f"run{number}", kind="train", params={}, tags={},
                  description="") as log:
        for step in range(int(sys.argv[1])):
            log.metrics({"loss": 1 / (step + 1)}, step=step)

def fork(work, number, delay):
    child = os.fork()
    if child == 0:
        code = 1
        try:
            time.sleep(delay)
            work(number)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return child

other = fork(foreign, 0, 0.5)
children = [fork(ours, n, float(t)) for n, t in enumerate(sys.argv[2:])]
failed = [os.waitpid(child, 0)[1] for child in children]
print("foreign", os.waitpid(other, 0)[1], flush=True)
assert not any(failed)
"""


def meet(counts: Tally, folder: Path, delays: list[float]) -> None:
    """One creator and our starters in one empty folder; count what is there then."""
    folder.mkdir()
    environment = {**os.environ, "MLFLOW_TRACKING_URI": "sqlite:///mlflow.db"}
    done = subprocess.run(
        [sys.executable, "-c", MEETING, str(ROWS), *map(str, delays)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    counts.done += 1
    counts.wrong += done.returncode != 0
    counts.also["of MLflow's own that failed"] = counts.also.get(
        "of MLflow's own that failed", 0
    ) + (done.stdout != "foreign 0\n")
    if done.returncode:
        pytest.fail(done.stderr)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        store = connect()
        runs = store.client.search_runs([store.experiment_id])
        points = {
            run.info.run_name: [
                p.step for p in store.client.get_metric_history(run.info.run_id, "loss")
            ]
            for run in runs
        }
    for number in range(len(delays)):
        counts.add_points(points.get(f"run{number}", []), range(ROWS))
    counts.wrong += sum(run.info.status != "FINISHED" for run in runs)
    counts.twice += len(runs) - len(points)


def test_who_creates_the_tables_beside_us_is_waited_for(
    new_folder: Path, tally: Callable[..., Tally]
) -> None:
    counts = tally("MLflow's own programs create the tables while ours start")
    meet(counts, new_folder / "one", [0.3, 0.8, 1.5])
    counts.assert_clean()


@pytest.mark.slow
def test_they_are_waited_for_whenever_we_come(
    new_folder: Path, tally: Callable[..., Tally]
) -> None:
    counts = tally(
        "MLflow's own programs create the tables while ours start", asked=CREATORS
    )
    rng = np.random.default_rng(SEED)
    for number in range(CREATORS):
        delays = rng.uniform(0, 3, OURS).round(2)
        meet(counts, new_folder / str(number), delays.tolist())
    counts.assert_clean()


def test_tables_that_somebody_left_half_made_are_finished_or_named(
    new_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "_AT_REST", 0.5)
    monkeypatch.setattr(schema, "_LOOKING", 1.0)
    empty = new_folder / "empty.db"
    empty.touch()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{empty}")
    assert connect().client.search_experiments()
    half = new_folder / "half.db"
    connection = sqlite3.connect(half)
    connection.execute("CREATE TABLE experiments (name TEXT)")
    connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
    connection.execute("INSERT INTO alembic_version VALUES ('gone')")
    connection.commit()
    connection.close()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{half}")
    with pytest.raises(StoreError, match=r"the tables of .*half.db are not usable"):
        connect()


def busy_before(module: str, name: str, database: Path, seconds: float) -> None:
    """Have somebody hold the database when this process first calls a function."""
    place = importlib.import_module(module)
    function = getattr(place, name)
    calls = itertools.count()

    def late(*given: Any) -> Any:
        if not next(calls):
            connection = sqlite3.connect(
                database, isolation_level=None, check_same_thread=False
            )
            connection.execute("BEGIN EXCLUSIVE")
            Timer(seconds, connection.execute, ["COMMIT"]).start()
        return function(*given)

    setattr(place, name, late)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("icl_mlflow.tracking.runs.lifecycle", "_create"),  # a new run
        ("icl_mlflow.tracking.runs.resume", "_newest"),  # one to go on with
    ],
)
def test_a_run_is_opened_on_a_busy_file(
    work: Workplace, tally: Callable[..., Tally], module: str, name: str
) -> None:
    counts = tally("a run is opened while others hold the database for 25 s")
    database = work.folder / "mlflow.db"
    before = functools.partial(busy_before, module, name, database, 25.0)
    process = work.start("train", *SMALL, "--epochs", "1", before=before)
    process.join(120)
    counts.done += 1
    assert process.exitcode == 0, work.said()
    assert work.complaints() == []
    (run,) = work.runs()
    counts.wrong += run.info.status != "FINISHED"
    counts.lost += missing_steps(work, run, 1)
    counts.twice += repeated_steps(work, run)
    counts.assert_clean()
