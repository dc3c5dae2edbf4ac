"""`icl-mlflow reap` lists dead runs, and marks them only when told to."""

import datetime
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from icl_mlflow.tracking.local.liveness import heartbeat
from icl_mlflow.tracking.store.connection import Store

Icl = Callable[..., Any]


@pytest.fixture
def dead_run(store: Store) -> str:
    """A run of a machine that was last heard of an hour ago; its id."""
    then = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
    beat = replace(heartbeat(), machine="elsewhere", host="kermit", pid=7)
    beat = replace(beat, time=then.isoformat(timespec="seconds"))
    run = store.client.create_run(
        store.experiment_id, tags={"heartbeat": beat.text}, run_name="A-baseline-seed0"
    )
    found: str = run.info.run_id
    return found


def test_it_lists_and_changes_nothing(store: Store, icl: Icl, dead_run: str) -> None:
    result = icl("reap")
    assert (result.code, result.err) == (0, "")
    first, second = result.out.splitlines()
    assert first.startswith(
        f"{dead_run}  A-baseline-seed0: process 7 on kermit, last heard of "
    )
    assert second == "nothing was changed; --yes marks them KILLED"
    assert store.client.get_run(dead_run).info.status == "RUNNING"


def test_it_marks_them_when_told_to(store: Store, icl: Icl, dead_run: str) -> None:
    result = icl("reap", "--yes")
    assert result.code == 0
    assert result.out.strip().endswith("marked KILLED")
    assert store.client.get_run(dead_run).info.status == "KILLED"
    assert icl("reap", "--yes").out == "no dead runs\n"


@pytest.mark.usefixtures("dead_run")
def test_the_limit_is_what_is_asked_for(icl: Icl) -> None:
    assert icl("reap", "--older_than", "2h").out == "no dead runs\n"
    assert "kermit" in icl("reap", "--older_than", "59m").out


@pytest.mark.parametrize("given", ["5", "m", "-5m", "5 m", "5w", "", "1e3s"])
def test_a_limit_in_another_form_is_refused(
    new_folder: Path, icl: Icl, given: str
) -> None:
    result = icl("reap", f"--older_than={given}")
    assert result.code == 2
    expected = f"Error: older_than must be like 30s, 5m, 2h or 1d, not {given!r}\n"
    assert result.err == expected
    assert list(new_folder.iterdir()) == []


def test_without_a_store_there_is_nothing_to_reap(new_folder: Path, icl: Icl) -> None:
    result = icl("reap")
    assert result.code == 2
    assert "there are no runs yet" in result.err
    assert list(new_folder.iterdir()) == []
