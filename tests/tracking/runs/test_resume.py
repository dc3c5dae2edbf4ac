"""The run to go on with is the newest that can be, or one that is named and fits."""

import json
import shlex
from dataclasses import replace

import pytest

from icl_mlflow.tracking.local.claims import begin_checkpoints, claimed, state_folder
from icl_mlflow.tracking.runs.resume import (
    NotResumableError,
    UnfinishedRun,
    command_to_resume,
    command_with_settings,
    run_to_open,
    run_to_resume,
)
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.training.settings import TrainSettings

SETTINGS = TrainSettings(task="B", seed=7, dim=3)
IDENTITY = SETTINGS.identity


def a_run(
    store: Store, status: str = "KILLED", *, checkpoints: bool = True, **tags: str
) -> str:
    """A training of the settings that was cut off; its id."""
    given = {"kind": "train", "settings_hash": IDENTITY, **tags}
    run_id: str = store.client.create_run(store.experiment_id, tags=given).info.run_id
    store.client.log_text(run_id, json.dumps(vars_of(SETTINGS)), "settings.json")
    if status != "RUNNING":
        store.client.set_terminated(run_id, status)
    if checkpoints:
        state_folder(run_id).mkdir(parents=True)
        begin_checkpoints(run_id)
    return run_id


def vars_of(settings: TrainSettings) -> dict[str, object]:
    return {"task": settings.task, "seed": settings.seed, "dim": settings.dim}


def refused(store: Store, wanted: str, identity: str = IDENTITY) -> str:
    with pytest.raises(NotResumableError) as error:
        run_to_resume(store, identity, wanted)
    said = str(error.value)
    assert "\n" not in said
    return said


def test_the_newest_that_can_go_on_here_is_taken(store: Store) -> None:
    assert run_to_resume(store, IDENTITY, "auto") is None
    a_run(store)
    newest = a_run(store, heartbeat="sign")
    a_run(store, status="FINISHED")
    a_run(store, checkpoints=False)
    a_run(store, settings_hash="of others")
    a_run(store, kind="suite")
    taken = a_run(store)
    with claimed(taken):
        found = run_to_resume(store, IDENTITY, "auto")
    assert found == UnfinishedRun(run_id=newest, sign="sign")
    assert run_to_resume(store, IDENTITY, "never") is None


def test_one_that_is_named_is_taken_if_it_can_go_on(store: Store) -> None:
    older = a_run(store)
    a_run(store)
    found = run_to_resume(store, IDENTITY, older)
    assert found == UnfinishedRun(run_id=older, sign="")


def test_one_that_cannot_go_on_says_why_and_what_can_be_done(store: Store) -> None:
    assert "has no run '../x' to go on with; give auto, never or" in refused(
        store, "../x"
    )
    assert "has no run" in refused(store, "0" * 32)
    assert refused(store, a_run(store, kind="suite")).endswith("is not a training run")
    assert refused(store, a_run(store, "FINISHED")).endswith("has finished")
    elsewhere = a_run(store, checkpoints=False)
    assert refused(store, elsewhere) == (
        f"run {elsewhere} has left no checkpoint in {state_folder(elsewhere)}; go on "
        "where it was trained, or start anew with --resume never"
    )
    deleted = a_run(store)
    store.client.delete_run(deleted)
    assert "mlflow runs restore --run-id" in refused(store, deleted)


def test_one_of_other_settings_names_the_command_with_its_own(store: Store) -> None:
    run_id = a_run(store)
    said = refused(store, run_id, replace(SETTINGS, seed=8).identity)
    command = command_with_settings(run_id, SETTINGS)
    assert said == f"run {run_id} has other settings; go on with it by: {command}"


def test_one_of_an_earlier_version_is_left_to_that(store: Store) -> None:
    run_id = a_run(store, settings_hash="of an earlier version")
    said = f"run {run_id} has these settings, but was begun by a version"
    assert refused(store, run_id).startswith(said)


def test_the_command_says_what_is_not_as_usual(store: Store) -> None:
    run_id = a_run(store)
    command = command_to_resume(store.client, run_id)
    assert command is not None
    words = shlex.split(command)
    assert words[:4] == ["icl-mlflow", "train", "--resume", run_id]
    given = dict(zip(words[4::2], words[5::2], strict=True))
    assert given == {"--task": "B", "--dim": "3", "--seed": "7"}
    without = a_run(store, checkpoints=False)
    assert command_to_resume(store.client, without) is None


def test_a_journal_of_a_later_version_is_left(store: Store) -> None:
    run_id = a_run(store)
    journal = state_folder(run_id) / "journal"
    journal.mkdir()
    (journal / "about.json").write_text('{"format": 3}')
    assert "has format 3" in refused(store, run_id)
    assert "has format 3" in refused(store, "auto")


def test_a_training_that_the_environment_names_goes_on_or_nothing_does(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    named, newer = a_run(store), a_run(store)
    monkeypatch.setenv("MLFLOW_RUN_ID", named)
    for wanted in ("auto", named):
        found = run_to_open(store, IDENTITY, wanted)
        assert found is not None
        assert found.run_id == named
    for wanted in ("never", newer):
        said = f"and not what --resume {wanted} asks for; unset MLFLOW_RUN_ID"
        with pytest.raises(NotResumableError, match=said):
            run_to_open(store, IDENTITY, wanted)
    with pytest.raises(NotResumableError, match="MLFLOW_RUN_ID names it; unset"):
        run_to_open(store, "other settings", "auto")


def test_a_run_that_was_opened_for_us_does_not_choose(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = a_run(store)
    opened = store.client.create_run(store.experiment_id).info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", opened)
    found = run_to_open(store, IDENTITY, "auto")
    assert found is not None
    assert found.run_id == run_id
