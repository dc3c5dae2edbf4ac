"""A run's ``train.log`` says what happened, however the run ends, without secrets."""

import re
from pathlib import Path

import pytest

from icl_mlflow.suite.member_log import train_log
from icl_mlflow.tracking.runs.lifecycle import RunLog, open_run
from icl_mlflow.tracking.store.connection import Store


def lines(store: Store, run_id: str) -> list[str]:
    """Its lines, without the time in front of each."""
    file = Path(store.client.download_artifacts(run_id, "train.log"))
    stamp = r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} "
    return [re.sub(stamp, "", line) for line in file.read_text().splitlines()]


def written(store: Store, text: str, run_id: str | None = None) -> RunLog:
    with (
        open_run(
            store,
            name="a",
            kind="train",
            params={},
            tags={},
            description="",
            run_id=run_id,
        ) as log,
        train_log(log) as logger,
    ):
        logger.info(text)
        if text.startswith("cut off"):
            raise KeyboardInterrupt
    return log


def test_lines_become_an_artifact_without_secrets(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", "t0ps3cret")
    log = written(store, "epoch 1 of 2, with t0ps3cret")
    assert lines(store, log.run_id) == ["epoch 1 of 2, with ***"]


def test_what_ended_the_run_is_its_last_line_and_it_goes_on_below(
    store: Store,
) -> None:
    with pytest.raises(KeyboardInterrupt):
        written(store, "cut off here")
    (run,) = store.client.search_runs([store.experiment_id])
    run_id = run.info.run_id
    before = ["cut off here", "ended by KeyboardInterrupt: "]
    assert lines(store, run_id) == before


def test_two_runs_at_once_have_a_file_each(store: Store) -> None:
    first = written(store, "of the first")
    second = written(store, "of the second")
    assert lines(store, first.run_id) == ["of the first"]
    assert lines(store, second.run_id) == ["of the second"]
