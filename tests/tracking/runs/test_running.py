"""Whether a run says that it is running is told without importing MLflow."""

from pathlib import Path

import pytest

from icl_mlflow.tracking.runs.running import may_be_running
from icl_mlflow.tracking.store.connection import Store


@pytest.fixture(params=["file", "server"])
def any_store(request: pytest.FixtureRequest) -> Store:
    name = {"file": "store", "server": "server_store"}[request.param]
    found: Store = request.getfixturevalue(name)
    return found


def test_a_run_that_is_open_is_seen_until_it_ends(any_store: Store) -> None:
    client, uri = any_store.client, any_store.tracking_uri
    open_before = client.search_runs(
        [e.experiment_id for e in client.search_experiments()],
        "attributes.status = 'RUNNING'",
    )
    for run in open_before:  # of other tests, on the server that they share
        client.set_terminated(run.info.run_id)
    assert not may_be_running(uri)
    run_id = client.create_run(any_store.experiment_id).info.run_id
    assert may_be_running(uri)
    client.set_terminated(run_id)
    assert not may_be_running(uri)


def test_where_it_is_not_known_there_may_be_one(new_folder: Path) -> None:
    for uri in (
        f"sqlite:///{new_folder}/none.db",
        "http://127.0.0.1:9",
        "postgresql://db/runs",
    ):
        assert may_be_running(uri)
    assert list(new_folder.iterdir()) == []  # asking creates nothing
