"""A run that `mlflow run` has opened for this project is told from those of others."""

import datetime

import pytest

from icl_mlflow.tracking.runs.projects import is_of_project, opened_at
from icl_mlflow.tracking.store.connection import Store

PARAMS = {"task", "variant", "preset"}


def test_a_run_says_when_it_was_opened(store: Store) -> None:
    run = store.client.create_run(store.experiment_id, start_time=1_700_000_000_000)
    then = datetime.datetime(2023, 11, 14, 22, 13, 20, tzinfo=datetime.UTC)
    assert opened_at(run) == then


@pytest.mark.parametrize(
    ("source", "entry_point", "params", "is_ours"),
    [
        ("PROJECT", "train", PARAMS, True),
        ("PROJECT", "main", {"task", "variants", "seeds", "preset", "lr"}, True),
        ("PROJECT", "train", {"task", "variant"}, False),
        ("PROJECT", "ablate", PARAMS, False),
        ("PROJECT", "fit", PARAMS, False),
        ("LOCAL", "train", PARAMS, False),
    ],
)
def test_ours_is_known_by_its_entry_point_and_the_parameters_of_that(
    store: Store,
    source: str,
    entry_point: str,
    params: set[str],
    *,
    is_ours: bool,
) -> None:
    client = store.client
    run_id = client.create_run(
        store.experiment_id,
        tags={
            "mlflow.source.type": source,
            "mlflow.project.entryPoint": entry_point,
        },
    ).info.run_id
    for name in params:
        client.log_param(run_id, name, "x")
    assert is_of_project(client.get_run(run_id)) is is_ours
