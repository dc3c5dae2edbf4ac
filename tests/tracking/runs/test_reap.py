"""Dead runs are found and marked; a live one is never touched."""

import datetime
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from icl_mlflow.tracking.local.liveness import Heartbeat, heartbeat
from icl_mlflow.tracking.runs.reap import DeadRun, dead_runs, mark_killed
from icl_mlflow.tracking.store.connection import Store

LIMIT = datetime.timedelta(minutes=5)

OPEN = """
    import sys, time
    from icl_mlflow.tracking.runs.lifecycle import open_run
    from icl_mlflow.tracking.store.connection import connect
    with open_run(connect("tests"), name="a", kind="train", params={}, tags={},
                  description="") as log:
        log.metrics({"loss": 1.0}, step=0)
        assert log.wait()
        print(log.run_id, flush=True)
        time.sleep(600)
"""


@contextmanager
def a_process_with_a_run() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process in the middle of a run, and the run's id."""
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(OPEN)],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def dead(store: Store, limit: datetime.timedelta = LIMIT) -> list[DeadRun]:
    return dead_runs(store.client, limit)


def status(store: Store, run_id: str) -> str:
    found: str = store.client.get_run(run_id).info.status
    return found


def a_run(store: Store, beat: Heartbeat | str) -> str:
    """The id of a run that says that it runs, with a sign of life."""
    text = beat if isinstance(beat, str) else beat.text
    run = store.client.create_run(store.experiment_id, tags={"heartbeat": text})
    found: str = run.info.run_id
    return found


def ago(**how_long: float) -> str:
    then = datetime.datetime.now(datetime.UTC) - datetime.timedelta(**how_long)
    return then.isoformat(timespec="seconds")


def test_a_run_is_dead_when_its_process_is(store: Store) -> None:
    with a_process_with_a_run() as (process, run_id):
        assert dead(store, datetime.timedelta(0)) == []
        os.kill(process.pid, signal.SIGSTOP)  # asleep is not dead
        assert dead(store, datetime.timedelta(0)) == []
        process.kill()  # and not waited for: a zombie
        deadline = time.monotonic() + 10
        while not (found := dead(store)) and time.monotonic() < deadline:
            time.sleep(0.01)
    (one,) = found
    assert one.beat is not None
    assert (one.run_id, one.name, one.beat.pid) == (run_id, "a", process.pid)
    assert (one.resume, one.has_records) == (None, True)
    assert status(store, run_id) == "RUNNING"
    assert mark_killed(store.client, one)
    assert status(store, run_id) == "KILLED"
    assert "heartbeat" not in store.client.get_run(run_id).data.tags
    assert dead(store) == []


def test_a_number_that_was_given_again_is_another_process(store: Store) -> None:
    live = heartbeat()
    a_run(store, live)
    other = a_run(store, replace(live, started=f"{live.started}1"))
    assert [one.run_id for one in dead(store)] == [other]


def test_elsewhere_silence_is_death_after_a_while(store: Store) -> None:
    here = heartbeat()
    silent = a_run(store, replace(here, machine="elsewhere", time=ago(minutes=6)))
    a_run(store, replace(here, machine="elsewhere", time=ago(minutes=4)))
    rebooted = a_run(store, replace(here, machine="", pid=1, time=ago(hours=1)))
    assert [one.run_id for one in dead(store)] == [rebooted, silent]
    assert len(dead(store, datetime.timedelta(minutes=3))) == 3
    assert dead(store, datetime.timedelta(days=1)) == []


def test_runs_of_others_are_left_alone(store: Store) -> None:
    store.client.create_run(store.experiment_id)
    for text in ("", "still here", "[]", "{}", '{"pid": 1}'):
        a_run(store, text)
    foreign = json.loads(heartbeat().text) | {"time": "yesterday"}
    a_run(store, json.dumps(foreign))
    assert dead(store, datetime.timedelta(0)) == []


def test_who_comes_back_to_life_meanwhile_is_not_marked(store: Store) -> None:
    run_id = a_run(store, replace(heartbeat(), machine="elsewhere", time=ago(hours=1)))
    (one,) = dead(store)
    store.client.set_tag(run_id, "heartbeat", heartbeat().text)
    assert not mark_killed(store.client, one)
    assert status(store, run_id) == "RUNNING"


def test_whoever_says_goodbye_is_not_dead_but_ended(store: Store) -> None:
    with a_process_with_a_run() as (process, run_id):
        process.terminate()
        process.wait(timeout=30)
    assert status(store, run_id) == "KILLED"
    assert dead(store) == []


def opened(store: Store, hours: float, **given: str) -> str:
    """The id of a run as ``mlflow run`` opens it for an entry point."""
    tags = {"mlflow.source.type": "PROJECT", "mlflow.project.entryPoint": "train"}
    tags |= {key.replace("__", "."): value for key, value in given.items()}
    start = int((time.time() - 3600 * hours) * 1000)
    run = store.client.create_run(store.experiment_id, start_time=start, tags=tags)
    for key in ("task", "variant", "preset"):
        store.client.log_param(run.info.run_id, key, "x")
    found: str = run.info.run_id
    return found


def test_a_run_that_mlflow_run_opened_and_nobody_took_is_dead_after_a_while(
    store: Store,
) -> None:
    old = opened(store, 2)
    recent = opened(store, 0.5)
    assert [one.run_id for one in dead(store)] == [old]
    half = datetime.timedelta(minutes=20)
    assert [one.run_id for one in dead_runs(store.client, LIMIT, half)] == [old, recent]
    (one,) = dead(store)
    assert (one.beat, one.resume, one.has_records) == (None, None, False)
    assert mark_killed(store.client, one)
    assert status(store, old) == "KILLED"


def test_of_projects_only_ours_and_of_ours_only_those_without_a_process(
    store: Store,
) -> None:
    opened(store, 2, mlflow__source__type="LOCAL")
    opened(store, 2, mlflow__project__entryPoint="fit")
    opened(store, 2, mlflow__project__entryPoint="ablate")  # lacks its parameters
    opened(store, 2, heartbeat=heartbeat().text)
    opened(store, 2, heartbeat="a word of another program")
    alive = store.client.create_run(store.experiment_id).info.run_id
    waiting = opened(store, 2, resumed_run_id=alive)
    assert dead(store) == []
    store.client.set_terminated(alive)
    assert [one.run_id for one in dead(store)] == [waiting]
