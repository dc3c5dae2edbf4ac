"""Runs that somebody has changed, or made by hand, stop nobody: they are named."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from icl_mlflow.tracking.local.liveness import heartbeat
from icl_mlflow.tracking.runs.results import readable_members
from icl_mlflow.tracking.store.connection import Store
from tests.cli.conftest import icl
from tests.cli.store.test_reap import dead_run

__all__ = ["dead_run", "icl"]

Icl = Callable[..., Any]


def strange_child(store: Store, parent: str, **tags: str) -> str:
    """The id of a finished run below another, with these tags."""
    all_tags = {"mlflow.parentRunId": parent, "kind": "train", **tags}
    run = store.client.create_run(store.experiment_id, tags=all_tags)
    store.client.set_terminated(run.info.run_id)
    found: str = run.info.run_id
    return found


def beat_of(process: object) -> str:
    """A sign of life of something that is no process."""
    return json.dumps({**asdict(heartbeat()), "machine": "", "pid": process})


STRANGE: dict[str, tuple[dict[str, str], str]] = {
    "no task": ({"variant": "baseline", "seed": "2"}, "no tag 'task'"),
    "no tags at all": ({}, "no tag 'task'"),
    "a seed of words": (
        {"task": "A", "variant": "baseline", "seed": "two"},
        "invalid literal",
    ),
    "an epoch of words": (
        {"task": "A", "variant": "baseline", "seed": "2", "best_epoch": "last"},
        "invalid literal",
    ),
}


@pytest.mark.parametrize("name", STRANGE)
def test_a_strange_child_is_named_and_the_others_exported(
    *,
    trained_store: Store,
    trained_runs: Any,
    icl: Icl,
    new_folder: Path,
    caplog: pytest.LogCaptureFixture,
    name: str,
) -> None:
    tags, said = STRANGE[name]
    strange = strange_child(trained_store, trained_runs.baseline, **tags)
    ended = icl("export", trained_runs.baseline)
    assert ended.code == 0
    (line,) = caplog.messages
    assert f"run {strange} is not as `train` leaves one: {said}" in line
    results = pd.read_csv(
        new_folder / f"export-{trained_runs.baseline}" / "results.csv"
    )
    assert tuple(results["run_id"]) == trained_runs.baseline_seeds
    alone = icl("export", strange)
    assert alone.code == 2
    assert alone.err.startswith(f"Error: run {strange} is not as `train` leaves one")


@pytest.mark.parametrize(
    "beat",
    ["[" * 4_000, '{"a":' * 1_300, beat_of([1]), beat_of("../../etc")],
    ids=["brackets", "braces", "a list", "a path"],
)
def test_a_sign_of_life_that_is_none_is_named_and_the_others_reaped(
    store: Store,
    icl: Icl,
    dead_run: str,
    caplog: pytest.LogCaptureFixture,
    beat: str,
) -> None:
    strange = store.client.create_run(store.experiment_id, tags={"heartbeat": beat})
    ended = icl("reap", "--yes")
    assert ended.code == 0
    (line,) = caplog.messages
    assert strange.info.run_id in line
    assert "its tag heartbeat cannot be read" in line
    (told,) = ended.out.splitlines()
    assert told.startswith(dead_run)
    assert store.client.get_run(strange.info.run_id).info.status == "RUNNING"


def test_a_folder_for_a_file_is_named_and_the_others_compared(
    trained_store: Store,
    trained_runs: Any,
    new_folder: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    strange = strange_child(
        trained_store, trained_runs.baseline, task="A", variant="baseline", seed="2"
    )
    (new_folder / "file").write_text("a,b\n1,2\n")
    for name in ("history.csv", "predictions.safetensors"):
        trained_store.client.log_artifact(strange, str(new_folder / "file"), name)
    ids = [trained_runs.baseline_seeds[0], strange, trained_runs.baseline_seeds[1]]
    found = readable_members(trained_store, ids)
    assert [member.run_id for member in found] == list(trained_runs.baseline_seeds)
    (line,) = caplog.messages
    said = "history.csv cannot be read: it is not a plain file"
    assert line.startswith(f"run {strange} is not as `train` leaves one: {said}")
