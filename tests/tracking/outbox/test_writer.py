"""What a run writes is on this machine at once, and in the store at its end, or said.

Where the store does not take it, one line says how much is left and how to send it.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient

from icl_mlflow.tracking.local.claims import RunInUseError
from icl_mlflow.tracking.local.liveness import heartbeat
from icl_mlflow.tracking.outbox import sender, writer
from icl_mlflow.tracking.outbox.outbox import Outbox, outbox_folder
from icl_mlflow.tracking.outbox.records import Params, Status
from icl_mlflow.tracking.outbox.writer import RunWriter
from icl_mlflow.tracking.runs.ownership import Ownership
from tests.tracking.outbox.conftest import NOW, OpenRun, loss


@pytest.fixture
def run_writer(opened: OpenRun, monkeypatch: pytest.MonkeyPatch) -> RunWriter:
    """Writes to the run, and waits only a moment for a store in trouble."""
    monkeypatch.setattr(writer, "_PATIENCE_IN_TROUBLE", 0.3)
    monkeypatch.setattr(writer, "_SILENT", 0.1)
    ownership = Ownership(opened.store.client, opened.run_id)
    ownership.take("")
    return RunWriter(opened.store, opened.destination, ownership)


def wait_for(happened: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def left(opened: OpenRun) -> list[object]:
    """The records that wait on this machine."""
    outbox = Outbox(outbox_folder(opened.run_id))
    found = [one.record for one in outbox.pending()]
    outbox.close()
    return found


def test_a_run_that_ended_is_in_the_store_and_nothing_is_left_here(
    opened: OpenRun, run_writer: RunWriter
) -> None:
    run_writer.outbox.put(loss(0))
    assert run_writer.wait()
    assert opened.losses() == [(0, 0.5)]
    run_writer.outbox.put(loss(1))
    run_writer.end("FINISHED")
    assert opened.losses() == [(0, 0.5), (1, 0.5)]
    assert opened.seen().info.status == "FINISHED"
    assert not outbox_folder(opened.run_id).exists()


def test_what_the_store_does_not_take_stays_and_is_said_in_one_line(
    opened: OpenRun, run_writer: RunWriter, caplog: pytest.LogCaptureFixture
) -> None:
    with opened.without_store(), caplog.at_level(logging.WARNING):
        run_writer.outbox.put(loss(0))
        run_writer.end("FINISHED")
    said = [
        record.getMessage()
        for record in caplog.records
        if record.name.startswith("icl_mlflow")
    ]
    place, here = opened.store.place, Path().absolute()
    waiting, advice = said
    assert (
        waiting == f"waiting for {place} to take 2 records of run {opened.run_id} ..."
    )
    assert advice == (
        f"2 records of run {opened.run_id} not delivered: {place} failed: "
        f"{here}/mlflow.db is not there; send them with: "
        f"icl-mlflow sync {here}/.icl_mlflow"
    )
    first, second = left(opened)
    assert first == loss(0)
    assert isinstance(second, Status)


def test_one_record_that_is_refused_is_said_with_the_reason(
    opened: OpenRun, run_writer: RunWriter, caplog: pytest.LogCaptureFixture
) -> None:
    refused = Params(values={"lr": "0.1"})
    with caplog.at_level(logging.WARNING):
        run_writer.outbox.put(refused)
        run_writer.outbox.put(loss(0))
        run_writer.end("FINISHED")
    assert f"1 record of run {opened.run_id} not delivered: " in caplog.text
    assert "refused: " in caplog.text
    assert left(opened) == [refused]
    assert opened.losses() == [(0, 0.5)]
    assert opened.seen().info.status == "FINISHED"


def test_a_run_that_is_killed_waits_a_second_at_most(
    opened: OpenRun, run_writer: RunWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_PATIENCE_IN_TROUBLE", 60)
    with opened.without_store():
        run_writer.outbox.put(loss(0))
        began = time.monotonic()
        run_writer.end("KILLED")
        assert time.monotonic() - began < 5
    assert len(left(opened)) == 2


def test_what_was_ever_written_here_is_known_by_key_and_step(
    opened: OpenRun, run_writer: RunWriter
) -> None:
    run_writer.outbox.put(loss(0))
    run_writer.outbox.put(Params(values={"epochs": "20"}))
    run_writer.outbox.put(loss(3))
    assert run_writer.wait()
    known = [(key, step) for key, _, _, step in run_writer.outbox.points()]
    assert known == [("loss", 0), ("loss", 3)]
    run_writer.end("FINISHED")
    del opened


def test_a_run_that_another_has_taken_is_neither_written_to_nor_ended(
    opened: OpenRun, run_writer: RunWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = replace(heartbeat(), host="piggy", machine="elsewhere", pid=8)
    opened.store.client.set_tag(opened.run_id, "heartbeat", other.text)
    monkeypatch.setattr(sender, "BEAT", 0.0)
    run_writer._sender._next_beat = time.monotonic()
    run_writer.outbox.put(loss(0))
    wait_for(lambda: run_writer.outbox.lost_to)
    with pytest.raises(RunInUseError, match="process 8 on piggy"):
        run_writer.outbox.put(loss(1))
    run_writer.end("FINISHED")
    assert opened.losses() == []
    assert opened.seen().info.status == "RUNNING"
    assert not outbox_folder(opened.run_id).exists()


def test_a_run_that_was_taken_for_dead_says_that_it_lives(
    opened: OpenRun, run_writer: RunWriter
) -> None:
    with opened.without_store():
        run_writer.outbox.put(loss(0))
        wait_for(lambda: run_writer._sender.trouble)
        away = MlflowClient("sqlite:///away.db")
        away.set_terminated(opened.run_id, "KILLED", end_time=NOW)
    wait_for(run_writer.wait)
    assert opened.seen().info.status == "RUNNING"
    run_writer.end("FINISHED")
