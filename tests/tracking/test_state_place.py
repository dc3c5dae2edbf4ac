"""What a run needs to go on lies where the next attempt finds it."""

from pathlib import Path

import pytest

from icl_mlflow.tracking.local.claims import runs_folder
from icl_mlflow.tracking.runs.lifecycle import open_run
from icl_mlflow.tracking.store.connection import Store, connect
from icl_mlflow.tracking.store.uri import StoreError
from tests.faults.forked import end_all, start
from tests.faults.test_outages import OPENING
from tests.faults.trainings import SMALL, Workplace, kill, wait_for_checkpoints


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("http://127.0.0.1:5000", "127.0.0.1_5000"),
        ("https://ann:pw@mlflow.example.org/team", "mlflow.example.org"),
        ("postgresql://ann:pw@db:5432/runs", "db_5432"),
    ],
)
def test_with_a_server_it_is_the_users_by_host(
    new_folder: Path, monkeypatch: pytest.MonkeyPatch, uri: str, name: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("XDG_STATE_HOME", "/data/state")
    assert runs_folder() == Path("/data/state/icl-mlflow", name, "runs")
    monkeypatch.setenv("XDG_STATE_HOME", "not absolute")
    monkeypatch.setenv("HOME", "/home/ann")
    assert runs_folder() == Path("/home/ann/.local/state/icl-mlflow", name, "runs")
    monkeypatch.setenv("ICL_MLFLOW_STATE", "/scratch")
    assert runs_folder() == Path("/scratch/runs")
    assert list(new_folder.iterdir()) == []


def test_a_job_that_starts_again_in_another_folder_goes_on(
    server_store: Store, new_folder: Path
) -> None:
    """As one does whose project is cloned anew each time."""
    first, second = new_folder / "first", new_folder / "second"
    experiment = server_store.client.get_experiment(server_store.experiment_id).name
    command = ["train", *SMALL, "--experiment", experiment]
    uri = {"MLFLOW_TRACKING_URI": server_store.tracking_uri}
    try:
        for folder in (first, second):
            folder.mkdir()
            process = start(*command, folder=folder, environment=uri)
            if folder == first:
                state = runs_folder().parent
                wait_for_checkpoints(Workplace(folder, server_store), process, state)
                kill(process)
        process.join(120)
        assert process.exitcode == 0, (second / "err").read_text()
    finally:
        end_all()
    (run,) = server_store.client.search_runs([server_store.experiment_id])
    assert run.info.status == "FINISHED"
    assert {file.name for file in first.iterdir()} == {"out", "err"}


def test_a_checkout_that_cannot_be_written_will_do(
    server_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/proc")  # nobody may write there, not even root
    with open_run(server_store, **OPENING) as log:
        log.metrics({"loss": 1.0}, step=0)
    assert server_store.client.get_run(log.run_id).info.status == "FINISHED"


@pytest.mark.parametrize("variable", ["XDG_STATE_HOME", "ICL_MLFLOW_STATE"])
def test_a_place_that_cannot_be_written_is_named_before_any_run(
    server_store: Store, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "/proc/state")
    with pytest.raises(StoreError, match=r"cannot write in /proc.*ICL_MLFLOW_STATE"):
        connect("never")
    assert server_store.client.search_runs([server_store.experiment_id]) == []
