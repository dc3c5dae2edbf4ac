"""What the environment names, MLFLOW_RUN_ID above all, is checked before it is used."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from typing import Any

import pytest
from mlflow.entities import Run

from icl_mlflow.suite.member import train_member
from icl_mlflow.tracking.runs.lifecycle import open_run
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.training.settings import TrainSettings
from tests.tiny import MOMENT, OPTIONS

Icl = Callable[..., Any]

#: Has a run until its input ends, and says its id.
HOLD = """
    import sys
    from icl_mlflow.tracking.runs.lifecycle import open_run
    from icl_mlflow.tracking.store.connection import connect
    with open_run(connect("tests"), name="a", kind="train", params={}, tags={},
                  description="") as log:
        assert log.wait()
        print(log.run_id, flush=True)
        sys.stdin.read()
"""


def cut_off(store: Store, task: str) -> str:
    """The id of a training that was cut off after its first epoch."""
    settings = TrainSettings.preset("smoke", task=task, **MOMENT)

    def cut(_epoch: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_member(store, settings, on_epoch=cut)
    (run,) = runs(store)
    found: str = run.info.run_id
    return found


def runs(store: Store) -> list[Run]:
    return list(store.client.search_runs([store.experiment_id]))


def finished(store: Store) -> str:
    run_id: str = store.client.create_run(store.experiment_id).info.run_id
    store.client.set_terminated(run_id)
    return run_id


def deleted(store: Store) -> str:
    run_id: str = store.client.create_run(store.experiment_id).info.run_id
    store.client.delete_run(run_id)
    return run_id


def of_a_suite(store: Store) -> str:
    with (
        pytest.raises(KeyboardInterrupt),
        open_run(
            store, name="s", kind="suite", params={}, tags={}, description=""
        ) as log,
    ):
        raise KeyboardInterrupt
    return log.run_id


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (finished, "has finished"),
        (deleted, "is deleted"),
        (lambda store: cut_off(store, "B"), "has other settings; go on with it by: "),
        (of_a_suite, "has been used before (its tag kind is 'suite')"),
    ],
)
def test_a_stale_run_is_refused_and_left_as_it_is(
    store: Store,
    icl: Icl,
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[Store], str],
    said: str,
) -> None:
    run_id = make(store)
    before = store.client.get_run(run_id).to_dictionary()
    known = len(runs(store))
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    result = icl("train", *OPTIONS)
    assert (result.code, result.out) == (2, "")
    (line,) = result.err.splitlines()
    assert line.startswith(f"Error: run {run_id}")
    assert said in line
    assert "unset" in line
    assert store.client.get_run(run_id).to_dictionary() == before
    assert len(runs(store)) == known


@pytest.mark.parametrize("command", ["train", "ablate"])
def test_a_run_that_a_live_process_has_is_refused(
    store: Store, icl: Icl, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(HOLD)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        run_id = process.stdout.readline().strip()
        monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
        result = icl(command, *OPTIONS)
        assert process.stdin is not None
        process.stdin.close()
    assert result.code == 2
    assert f"run {run_id}, which MLFLOW_RUN_ID names, is being written" in result.err
    assert len(runs(store)) == 1


def test_a_training_that_was_cut_off_goes_on(
    store: Store, icl: Icl, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = cut_off(store, "A")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "tests")
    for command in (["train", "--resume", "never"], ["ablate"]):
        monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
        assert icl(*command, *OPTIONS).code == 2
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    result = icl("train", *OPTIONS)
    assert result.code == 0, result.err
    assert f"resumes  {run_id}" in result.out
    (run,) = runs(store)
    assert (run.info.run_id, run.info.status) == (run_id, "FINISHED")
    assert run.data.tags["kind"] == "train"
    assert "resumed_run_id" not in run.data.tags
    assert "MLFLOW_RUN_ID" not in os.environ


@pytest.mark.parametrize("command", ["train", "ablate"])
def test_a_deleted_experiment_is_refused_by_its_number_as_by_its_name(
    store: Store, icl: Icl, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    store.client.delete_experiment(store.experiment_id)
    said = []
    for name, value in (("ID", store.experiment_id), ("NAME", "tests")):
        with monkeypatch.context() as patch:
            patch.setenv(f"MLFLOW_EXPERIMENT_{name}", value)
            result = icl(command, *OPTIONS)
        assert result.code == 2
        said.append(result.err)
    assert said[0] == said[1]
    assert f"mlflow experiments restore -x {store.experiment_id}" in said[0]
