"""A run is the process's that the store names; a silent one is listened to once."""

import datetime
import time
from collections.abc import Callable
from dataclasses import replace
from threading import Timer

import pytest
from mlflow.entities import Run

from icl_mlflow.tracking.local.claims import RunInUseError
from icl_mlflow.tracking.local.liveness import Heartbeat, heartbeat
from icl_mlflow.tracking.runs import ownership
from icl_mlflow.tracking.runs.ownership import (
    Ownership,
    let_go,
    living_owner,
    mark_ended,
)
from icl_mlflow.tracking.store.connection import Store

LISTENING = 1.5


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ownership, "LISTENING", LISTENING)
    monkeypatch.setattr(ownership, "_GLANCE", 0.1)
    monkeypatch.setattr(ownership, "_silent", {})


def elsewhere(**changes: object) -> Heartbeat:
    beat = replace(heartbeat(), machine="elsewhere", host="kermit", pid=7)
    return replace(beat, **changes)  # type: ignore[arg-type]


def ago(**how_long: float) -> str:
    then = datetime.datetime.now(datetime.UTC) - datetime.timedelta(**how_long)
    return then.isoformat(timespec="seconds")


def a_run(store: Store, beat: Heartbeat) -> Run:
    tags = {"heartbeat": beat.text}
    return store.client.create_run(store.experiment_id, tags=tags)


def seconds_of(call: Callable[[], object]) -> float:
    began = time.monotonic()
    call()
    return time.monotonic() - began


def test_who_speaks_meanwhile_has_the_run(store: Store) -> None:
    run = a_run(store, elsewhere(time=ago(seconds=20)))
    run_id, sign = run.info.run_id, elsewhere().text
    timer = Timer(0.3, store.client.set_tag, [run_id, "heartbeat", sign])
    timer.start()
    owner = living_owner(store.client, run)
    timer.join()
    assert owner is not None
    assert (owner.pid, owner.host) == (7, "kermit")


def test_who_is_silent_is_listened_to_once_for_all_of_its_runs(store: Store) -> None:
    beat = elsewhere(time=ago(seconds=20))
    first, second = a_run(store, beat), a_run(store, elsewhere(time=ago(seconds=25)))
    assert living_owner(store.client, first) is None
    assert seconds_of(lambda: living_owner(store.client, second)) < LISTENING
    other = a_run(store, elsewhere(pid=8))
    assert seconds_of(lambda: living_owner(store.client, other)) >= LISTENING


def test_a_run_that_has_ended_or_is_long_silent_is_not_listened_to(
    store: Store,
) -> None:
    ended = a_run(store, elsewhere())
    store.client.set_terminated(ended.info.run_id, "KILLED")
    ended = store.client.get_run(ended.info.run_id)
    silent = a_run(store, elsewhere(time=ago(minutes=6)))
    for run in (ended, silent):
        assert seconds_of(lambda run=run: living_owner(store.client, run)) < LISTENING
        assert living_owner(store.client, run) is None


def test_of_two_that_take_a_run_the_second_is_told_who_has_it(store: Store) -> None:
    before = elsewhere(time=ago(minutes=6))
    run_id = a_run(store, before).info.run_id
    Ownership(store.client, run_id).take(before.text)
    with pytest.raises(RunInUseError, match=f"run {run_id} is being trained by"):
        Ownership(store.client, run_id).take(before.text)


def test_a_run_that_was_let_go_of_meanwhile_can_be_taken(store: Store) -> None:
    before = elsewhere(time=ago(minutes=6))
    run_id = a_run(store, before).info.run_id
    store.client.delete_tag(run_id, "heartbeat")
    Ownership(store.client, run_id).take(before.text)
    assert store.client.get_run(run_id).data.tags["heartbeat"]


def test_a_sign_of_somebody_else_ends_the_ownership(store: Store) -> None:
    before = elsewhere(time=ago(minutes=6))
    run_id = a_run(store, before).info.run_id
    ours = Ownership(store.client, run_id)
    ours.take(before.text)
    ours.renew()
    # A store that was restored shows an old sign, and is no reason to stop.
    for old in (before, elsewhere(pid=9, time=ago(hours=1))):
        store.client.set_tag(run_id, "heartbeat", old.text)
        ours.renew()
    taken = elsewhere(host="piggy", pid=8)
    store.client.set_tag(run_id, "heartbeat", taken.text)
    with pytest.raises(RunInUseError, match="process 8 on piggy"):
        ours.renew()
    sign = store.client.get_run(run_id).data.tags["heartbeat"]
    assert sign == taken.text


def test_who_wakes_up_after_another_has_ended_the_run_is_told(store: Store) -> None:
    run_id = a_run(store, heartbeat()).info.run_id
    ours = Ownership(store.client, run_id)
    ours.renew()
    mark_ended(store.client, run_id, "FINISHED")  # by whoever went on with it
    with pytest.raises(RunInUseError, match="ended by another process"):
        ours.renew()
    assert "heartbeat" not in store.client.get_run(run_id).data.tags


def test_a_copy_of_this_very_process_is_somebody_else(store: Store) -> None:
    run_id = a_run(store, heartbeat()).info.run_id
    ours = Ownership(store.client, run_id)
    later = replace(heartbeat(), time=ago(seconds=-30))
    store.client.set_tag(run_id, "heartbeat", later.text)
    with pytest.raises(RunInUseError):
        ours.renew()


@pytest.mark.parametrize("status", ["FINISHED", "FAILED", "KILLED"])
def test_a_run_that_has_ended_shows_no_sign_of_life(store: Store, status: str) -> None:
    run_id = a_run(store, heartbeat()).info.run_id
    let_go(store.client, run_id)  # it still runs
    assert "heartbeat" in store.client.get_run(run_id).data.tags
    for _ in range(2):
        mark_ended(store.client, run_id, status)
        run = store.client.get_run(run_id)
        assert (run.info.status, run.data.tags.get("heartbeat")) == (status, None)


@pytest.mark.parametrize("was_elsewhere", [False, True])
def test_an_ended_run_is_taken_by_one_of_two_machines(
    store: Store, monkeypatch: pytest.MonkeyPatch, *, was_elsewhere: bool
) -> None:
    monkeypatch.setattr(ownership, "_SETTLING", 0.5)
    run_id = store.client.create_run(store.experiment_id).info.run_id
    mark_ended(store.client, run_id, "KILLED")
    ours, other = Ownership(store.client, run_id), elsewhere().text
    timer = Timer(0.2, store.client.set_tag, [run_id, "heartbeat", other])
    timer.start()
    began = time.monotonic()
    try:
        if was_elsewhere:  # the folder was copied from there: both may have begun
            with pytest.raises(RunInUseError):
                ours.take("", was_elsewhere=True)
        else:
            ours.take("")
            assert time.monotonic() - began < 0.4
    finally:
        timer.join()
