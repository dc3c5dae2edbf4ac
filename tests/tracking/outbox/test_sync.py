"""What runs have left on this machine is delivered once, and what is not is said."""

from pathlib import Path

import pytest

from icl_mlflow.tracking.local.claims import (
    begin_checkpoints,
    claimed,
    has_checkpoints,
    state_folder,
)
from icl_mlflow.tracking.outbox.outbox import outbox_folder
from icl_mlflow.tracking.outbox.records import Params, Record, Status
from icl_mlflow.tracking.outbox.sync import (
    SyncResult,
    needed_variables,
    sync,
    sync_all,
    tidy_up,
)
from tests.tracking.outbox.conftest import NOW, OpenRun, loss

END = Status(status="FINISHED", time=NOW)


def leave(opened: OpenRun, *records: Record) -> None:
    """Leave records behind, as a process that dies."""
    for record in records:
        opened.outbox.put(record)
    opened.outbox.close()


def synced(opened: OpenRun) -> SyncResult:
    done = sync(opened.run_id)
    assert done is not None
    return done


def test_what_is_left_is_delivered_once_and_forgotten(opened: OpenRun) -> None:
    leave(opened, loss(0), loss(1), END)
    assert synced(opened) == SyncResult(
        run_id=opened.run_id, delivered=3, place=opened.store.place
    )
    assert opened.losses() == [(0, 0.5), (1, 0.5)]
    assert opened.seen().info.status == "FINISHED"
    assert not state_folder(opened.run_id).exists()
    assert sync(opened.run_id) is None


@pytest.mark.parametrize("last", [loss(1), Status(status="RUNNING", time=NOW)])
def test_a_run_that_does_not_say_how_it_ended_has_died(
    opened: OpenRun, last: Record
) -> None:
    leave(opened, loss(0), last)
    done = synced(opened)
    assert (done.has_ended, done.problem, done.resume) == (False, "", None)


def test_of_several_runs_those_that_are_named_are_delivered(opened: OpenRun) -> None:
    leave(opened, loss(0))
    sync_all(["0" * 32])
    assert opened.losses() == []
    sync_all(["0" * 32, opened.run_id])
    assert opened.losses() == [(0, 0.5)]


def test_a_store_that_is_away_is_named_and_the_records_stay(opened: OpenRun) -> None:
    leave(opened, loss(0), END)
    with opened.without_store():
        done = synced(opened)
    assert done.delivered == 0
    assert "mlflow.db" in done.problem
    assert synced(opened).delivered == 2


def test_what_is_refused_is_said_and_the_others_arrive(opened: OpenRun) -> None:
    leave(opened, Params(values={"lr": "0.1"}), loss(0), END)
    done = synced(opened)
    assert done.delivered == 2
    assert done.problem.startswith("refused: ")
    assert opened.losses() == [(0, 0.5)]
    assert outbox_folder(opened.run_id).exists()


def test_damage_is_said_and_the_others_arrive(opened: OpenRun) -> None:
    leave(opened, loss(0), loss(1), END)
    file = outbox_folder(opened.run_id) / "records"
    content = bytearray(file.read_bytes())
    content[20] ^= 1
    file.write_bytes(content)
    done = synced(opened)
    assert done.delivered == 2
    assert done.problem.startswith("damaged: line 1 (bytes 0 to ")
    assert opened.losses() == [(1, 0.5)]


def test_a_run_that_somebody_has_is_left_to_them(opened: OpenRun) -> None:
    leave(opened, loss(0))
    with claimed(opened.run_id, "delivered"):
        done = synced(opened)
    assert done.delivered == 0
    assert "is being delivered by process" in done.problem
    assert opened.losses() == []


def test_a_run_that_was_made_anew_goes_on_under_its_new_id(opened: OpenRun) -> None:
    leave(opened, loss(0))
    begin_checkpoints(opened.run_id)
    opened.lose_run()
    done = synced(opened)
    assert done.run_id != opened.run_id
    assert done.problem == ""
    history = opened.store.client.get_metric_history(done.run_id, "loss")
    assert [point.step for point in history] == [0]
    assert has_checkpoints(done.run_id)
    assert not state_folder(opened.run_id).exists()


def test_records_for_another_database_go_there(
    opened: OpenRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ICL_MLFLOW_STATE", str(Path(".icl_mlflow").absolute()))
    leave(opened, loss(0), END)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert synced(opened).place == opened.store.place
    assert opened.losses() == [(0, 0.5)]


def test_passwords_go_to_no_server_that_a_folder_names(
    opened: OpenRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(opened, loss(0))
    about = outbox_folder(opened.run_id) / "about.json"
    said = about.read_text().replace(opened.store.place, "http://thief.example.org")
    about.write_text(said)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "hunter22")
    done = synced(opened)
    assert done.problem.startswith("its records are for http://thief.example.org, and")
    assert done.delivered == 0


def test_checkpoints_go_where_the_run_has_finished(opened: OpenRun) -> None:
    leave(opened)
    outbox_folder(opened.run_id).rename("elsewhere")
    begin_checkpoints(opened.run_id)
    assert tidy_up() == []
    opened.store.client.set_terminated(opened.run_id, "FINISHED")
    assert tidy_up() == [opened.run_id]
    assert not state_folder(opened.run_id).exists()


def test_a_command_names_what_is_not_as_usual(
    new_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = f"sqlite:///{new_folder}/mlflow.db"
    usual = new_folder / ".icl_mlflow" / "runs"
    assert needed_variables(here, usual) == ""
    assert needed_variables("sqlite:////data/a b.db", usual) == (
        "MLFLOW_TRACKING_URI='sqlite:////data/a b.db' "
    )
    monkeypatch.setenv("ICL_MLFLOW_STATE", "/scratch/state")
    assert needed_variables(here, usual) == "ICL_MLFLOW_STATE=/scratch/state "
