"""A worker trains what is missing of its group, and reports what became of each."""

from dataclasses import replace
from typing import Any

import pytest

from icl_mlflow.suite.work_item import SuitePlace, WorkItem, train_piece
from icl_mlflow.tracking.runs.lifecycle import open_run
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.training.settings import TrainSettings
from tests.conftest import TrainedRuns
from tests.tiny import MOMENT

SETTINGS = TrainSettings.preset("smoke", **MOMENT)
OTHER = replace(SETTINGS, seed=1)


@pytest.fixture
def suite(trained_store: Store) -> SuitePlace:
    with open_run(
        trained_store, name="suite", kind="suite", params={}, tags={}, description=""
    ) as log:
        return SuitePlace(
            tracking_uri=trained_store.tracking_uri,
            experiment_id=trained_store.experiment_id,
            parent_run_id=log.run_id,
        )


def item(suite: SuitePlace, *members: TrainSettings, **given: Any) -> WorkItem:
    chosen = {"may_reuse": True, "resume": "auto", **given}
    return WorkItem(members=members, suite=suite, **chosen)


def below(store: Store, suite: SuitePlace) -> list[tuple[str, str]]:
    """Name and status of the runs below the suite."""
    found = store.client.search_runs(
        [store.experiment_id], f"tags.`mlflow.parentRunId` = '{suite.parent_run_id}'"
    )
    return [(run.info.run_name, run.info.status) for run in found]


def test_what_has_finished_is_not_trained_a_second_time(
    trained_store: Store, trained_runs: TrainedRuns, suite: SuitePlace
) -> None:
    heard: list[Any] = []
    outcomes = train_piece(item(suite, OTHER, SETTINGS), heard.append)
    assert [one.value and one.value.run_id for one in outcomes] == [
        trained_runs.baseline_seeds[1],
        trained_runs.baseline_seeds[0],
    ]
    assert heard == []
    assert below(trained_store, suite) == []


def test_a_suite_that_wants_its_own_trains_it_below_itself(
    trained_store: Store, trained_runs: TrainedRuns, suite: SuitePlace
) -> None:
    heard: list[tuple[str, int]] = []
    (outcome,) = train_piece(
        item(suite, SETTINGS, may_reuse=False),
        lambda named: heard.append((named[0], named[1].epoch)),
    )
    assert outcome.value is not None
    assert outcome.value.run_id not in trained_runs.baseline_seeds
    assert heard == [("A-baseline-seed0", 0), ("A-baseline-seed0", 1)]
    assert below(trained_store, suite) == [("A-baseline-seed0", "FINISHED")]
    # Done again after the death of its worker, it is found.
    (again,) = train_piece(item(suite, SETTINGS, may_reuse=False), heard.append)
    assert again.value is not None
    assert again.value.run_id == outcome.value.run_id


def test_one_that_fails_is_reported_and_a_run_left_open_is_ended(
    trained_store: Store, suite: SuitePlace
) -> None:
    wild = replace(SETTINGS, lr=1e30, clip_norm=1e30)
    tags = {
        "mlflow.parentRunId": suite.parent_run_id,
        "settings_hash": wild.identity,
        "kind": "train",
    }
    left_open = trained_store.client.create_run(
        trained_store.experiment_id, tags=tags
    ).info.run_id
    (outcome,) = train_piece(item(suite, wild), lambda _: None)
    assert outcome.value is None
    assert str(outcome.error).startswith("NonFiniteLossError: the loss is not finite")
    assert trained_store.client.get_run(left_open).info.status == "KILLED"
