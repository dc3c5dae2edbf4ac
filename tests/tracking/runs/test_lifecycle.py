"""A run says truthfully what happened in it, whoever opened it."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import Run, ViewType

from icl_mlflow.tracking.local.claims import RunInUseError
from icl_mlflow.tracking.outbox import sender
from icl_mlflow.tracking.runs.lifecycle import open_run
from icl_mlflow.tracking.store.connection import Store, StoreError

OPENING: Mapping[str, Any] = {
    "name": "A-baseline-seed0",
    "kind": "train",
    "params": {"lr": 0.0003, "epochs": 20, "tau": None},
    "tags": {"task": "A", "seed": 0},
    "description": "What does the *full* model reach?",
}


def runs(store: Store) -> list[Run]:
    return store.client.search_runs([store.experiment_id], run_view_type=ViewType.ALL)


def only_run(store: Store) -> Run:
    (run,) = runs(store)
    return run


def test_a_run_says_who_did_what_with_which_code(store: Store) -> None:
    with open_run(store, **OPENING) as log:
        assert store.client.get_run(log.run_id).info.status == "RUNNING"
    run = only_run(store)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "A-baseline-seed0"
    assert run.data.params == {"lr": "0.0003", "epochs": "20"}
    assert run.data.tags.items() >= {
        ("kind", "train"),
        ("task", "A"),
        ("seed", "0"),
        ("mlflow.note.content", "What does the *full* model reach?"),
    }
    assert {"mlflow.user", "mlflow.source.name", "package_version"} <= set(
        run.data.tags
    )


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ValueError("bad luck"), "FAILED"),
        (KeyboardInterrupt(), "KILLED"),
        (SystemExit(143), "KILLED"),
        (SystemExit(130), "KILLED"),
        (SystemExit(3), "FAILED"),
        (SystemExit(0), "FINISHED"),
    ],
    ids=repr,
)
def test_the_status_tells_how_it_ended(
    store: Store, error: BaseException, status: str
) -> None:
    with pytest.raises(type(error)), open_run(store, **OPENING):
        raise error
    assert only_run(store).info.status == status


def test_a_param_that_cannot_be_logged_does_not_leave_the_run_open(
    store: Store,
) -> None:
    refused = {**OPENING, "params": {"not a name!": 1}}
    with pytest.raises(Exception, match="not a name!"), open_run(store, **refused):
        pass
    assert only_run(store).info.status == "FAILED"


def test_sigterm_ends_the_run_killed(store: Store) -> None:
    program = """
        import time
        from icl_mlflow.tracking.runs.lifecycle import open_run
        from icl_mlflow.tracking.store.connection import connect
        with open_run(connect("tests"), name="a", kind="train", params={}, tags={},
                      description=""):
            print("open", flush=True)
            time.sleep(60)
    """
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    with child.stdout:
        assert child.stdout.readline() == b"open\n"
        child.send_signal(signal.SIGTERM)
        assert child.wait(timeout=30) == 143
    assert only_run(store).info.status == "KILLED"


def test_sigterm_is_given_back_after_the_run(store: Store) -> None:
    with open_run(store, **OPENING):
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def opened_by_mlflow(store: Store, monkeypatch: pytest.MonkeyPatch) -> str:
    """A run as ``mlflow run -P lr=3e-4`` leaves it for the process that it starts."""
    run = store.client.create_run(
        store.experiment_id,
        tags={"mlflow.source.type": "PROJECT", "mlflow.source.name": "file:///project"},
        run_name="gifted-shrew-1",
    )
    run_id: str = run.info.run_id
    store.client.log_param(run_id, "lr", "3e-4")
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    return run_id


def test_the_run_of_mlflow_run_is_adopted(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = opened_by_mlflow(store, monkeypatch)
    with open_run(store, **OPENING) as log:
        assert log.run_id == run_id
    run = only_run(store)
    assert run.data.params == {"lr": "3e-4", "epochs": "20"}
    assert run.info.run_name == "A-baseline-seed0"
    assert run.data.tags["mlflow.source.type"] == "PROJECT"
    assert run.data.tags["kind"] == "train"


def test_a_run_is_adopted_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    given = opened_by_mlflow(store, monkeypatch)
    with open_run(store, **OPENING) as parent:
        assert "MLFLOW_RUN_ID" not in os.environ
        child_opening = {**OPENING, "parent_run_id": parent.run_id}
        with open_run(store, **child_opening) as child:
            pass
    assert parent.run_id == given != child.run_id
    tags = store.client.get_run(child.run_id).data.tags
    assert tags["mlflow.parentRunId"] == given


def test_a_child_does_not_adopt_its_parent(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = opened_by_mlflow(store, monkeypatch)
    with open_run(store, **OPENING, parent_run_id=given) as child:
        assert child.run_id != given


def test_a_run_that_is_not_there_is_named(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_RUN_ID", "0" * 32)
    with pytest.raises(StoreError, match="0000"), open_run(store, **OPENING):
        pass
    assert runs(store) == []


def test_the_link_names_the_run(store: Store, new_folder: Path) -> None:
    with open_run(store, **OPENING) as log:
        link = log.ui_link()
    page = f"experiments/{store.experiment_id}/runs/{log.run_id}"
    assert link == f"http://127.0.0.1:5000/#/{page}?workflowType=machine_learning"
    assert store.ui_command == "mlflow ui"
    (new_folder / "elsewhere").mkdir()
    os.chdir(new_folder / "elsewhere")
    assert store.ui_command == f"mlflow ui --backend-store-uri {store.tracking_uri}"


def test_a_server_is_its_own_ui(server_store: Store) -> None:
    with open_run(server_store, **OPENING) as log:
        pass
    assert server_store.ui_command is None
    assert log.ui_link().startswith(f"{server_store.tracking_uri}/#/experiments/")
    assert only_run(server_store).info.status == "FINISHED"


def points(store: Store, run_id: str, key: str) -> list[tuple[int, float]]:
    found = store.client.get_metric_history(run_id, key)
    return [(point.step, point.value) for point in found]


def interrupted(store: Store) -> str:
    """A run that was cut off after two steps; its id."""

    def train() -> None:
        with open_run(store, **OPENING) as log:
            log.metrics({"loss": 0.5}, step=0)
            log.metrics({"loss": 0.4}, step=1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train()
    run_id: str = only_run(store).info.run_id
    return run_id


def test_a_run_that_was_cut_off_goes_on(store: Store) -> None:
    run_id = interrupted(store)
    with open_run(store, **OPENING, run_id=run_id) as log:
        assert log.wait()
        assert store.client.get_run(run_id).info.status == "RUNNING"
        for step, loss in enumerate([0.5, 0.4, 0.3]):  # the last epochs once more
            log.metrics({"loss": loss}, step=step)
        log.params({"epochs": 20})
    run = only_run(store)
    assert (run.info.run_id, run.info.status) == (run_id, "FINISHED")
    assert run.data.params == {"lr": "0.0003", "epochs": "20"}
    assert points(store, run_id, "loss") == [(0, 0.5), (1, 0.4), (2, 0.3)]


def test_what_a_dead_process_had_not_delivered_comes_first(
    store: Store, new_folder: Path
) -> None:
    program = """
        import os, time
        from icl_mlflow.tracking.runs.lifecycle import open_run
        from icl_mlflow.tracking.store.connection import connect
        with open_run(connect("tests"), name="a", kind="train", params={}, tags={},
                      description="") as log:
            assert log.wait()
            os.rename("mlflow.db", "away.db")
            for step in range(5):
                log.metrics({"loss": 1.0 + step}, step=step)
            os.kill(os.getpid(), 9)
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    (new_folder / "away.db").rename(new_folder / "mlflow.db")
    run_id = only_run(store).info.run_id
    assert points(store, run_id, "loss") == []
    with open_run(store, **OPENING, run_id=run_id) as log:
        for step in range(3, 7):
            log.metrics({"loss": 1.0 + step}, step=step)
    found = points(store, run_id, "loss")
    assert found == [(step, 1.0 + step) for step in range(7)]
    assert only_run(store).info.status == "FINISHED"


def test_a_run_that_cannot_go_on_is_named(store: Store) -> None:
    with open_run(store, **OPENING) as finished:
        pass
    gone = store.client.create_run(store.experiment_id).info.run_id
    store.client.delete_run(gone)
    for run_id, said in {
        finished.run_id: "has finished",
        gone: "mlflow runs restore",
        "0" * 32: "has no run",
    }.items():
        with (
            pytest.raises(StoreError, match=said),
            open_run(store, **OPENING, run_id=run_id),
        ):
            pass


def test_two_processes_do_not_go_on_with_one_run(store: Store) -> None:
    run_id = interrupted(store)
    with (
        open_run(store, **OPENING, run_id=run_id),
        pytest.raises(RunInUseError, match=f"process {os.getpid()} on "),
        open_run(store, **OPENING, run_id=run_id),
    ):
        pass
    assert only_run(store).info.status == "FINISHED"


def test_a_run_gives_signs_of_life_and_says_so_if_it_was_taken_for_dead(
    store: Store, monkeypatch: pytest.MonkeyPatch, new_folder: Path
) -> None:
    monkeypatch.setattr(sender, "BEAT", 0.1)
    database = new_folder / "mlflow.db"
    with open_run(store, **OPENING) as log:
        first = store.client.get_run(log.run_id).data.tags["heartbeat"]
        wait_for(lambda: only_run(store).data.tags["heartbeat"] > first)
        store.client.set_terminated(log.run_id, "KILLED")
        database.rename(new_folder / "away.db")
        time.sleep(0.5)
        (new_folder / "away.db").rename(database)
        wait_for(lambda: only_run(store).info.status == "RUNNING")
    assert only_run(store).info.status == "FINISHED"


def wait_for(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_no_secret_is_kept(
    store: Store, new_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_API_TOKEN", "t0ps3cret")
    monkeypatch.setenv("DB_PASSWORD", "hunter22")
    with open_run(store, **OPENING) as log:
        log.params({"command": "fetch --token t0ps3cret"})
        log.tags({"failure": "GET https://ann:pa55@example.org/?key=hunter22"})
        log.text("note.txt", "the password is hunter22\n")
        assert log.wait()
        kept = [f.read_bytes() for f in new_folder.rglob("*") if f.is_file()]
    data = only_run(store).data
    assert data.params["command"] == "fetch --token ***"
    assert data.tags["failure"] == "GET https://***@example.org/?key=***"
    for secret in (b"t0ps3cret", b"hunter22", b"pa55"):
        assert not any(secret in content for content in kept)
