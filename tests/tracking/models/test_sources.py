"""A reference stands for all of its models, each once, with where they came from."""

from dataclasses import replace

import pytest

from icl_mlflow.tracking.local.safe_read import ModelError
from icl_mlflow.tracking.models.sources import pull
from icl_mlflow.tracking.runs.lifecycle import open_run
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.training.settings import TrainSettings
from tests.tracking.conftest import Keep


@pytest.fixture
def suite(store: Store) -> str:
    with open_run(
        store, name="my suite", kind="suite", params={}, tags={}, description=""
    ) as log:
        return log.run_id


def test_a_run_stands_for_its_model_by_every_name(store: Store, keep: Keep) -> None:
    run_id, registered = keep(store)
    for reference in (
        run_id,
        f"runs:/{run_id}/model",
        registered.uri,
        "models:/icl-A-baseline@best",
    ):
        found = pull(store.client, reference)
        assert (found.run_id, found.experiment) == (run_id, "tests")
        assert found.run_name == "A-baseline-seed0"
        (model,) = found.models
        assert model.sha256 == registered.sha256
        assert model.trained_model.name == "A-baseline-seed0"


def test_a_suite_stands_for_the_models_below_it_by_seed(
    store: Store, settings: TrainSettings, keep: Keep, suite: str
) -> None:
    for seed in (1, 0):
        keep(store, replace(settings, seed=seed), parent_run_id=suite)
    found = pull(store.client, suite)
    assert (found.run_id, found.run_name) == (suite, "my suite")
    names = [model.name for model in found.trained_models]
    assert names == ["A-baseline-seed0", "A-baseline-seed1"]
    seeds = [model.settings.seed for model in found.trained_models]
    assert seeds == [0, 1]


def test_models_that_are_called_alike_are_told_apart_by_their_runs(
    store: Store, settings: TrainSettings, keep: Keep, suite: str
) -> None:
    first, _ = keep(store, settings, parent_run_id=suite)
    second, _ = keep(store, replace(settings, lr=0.5), parent_run_id=suite)
    names = {model.name for model in pull(store.client, suite).trained_models}
    assert names == {f"A-baseline-seed0 ({run_id[:8]})" for run_id in (first, second)}


def test_a_version_that_was_copied_counts_once(store: Store, keep: Keep) -> None:
    run_id, registered = keep(store)
    store.client.copy_model_version(registered.uri, "favourite")
    assert len(pull(store.client, run_id).models) == 1


def test_what_is_not_there_is_named(store: Store) -> None:
    with pytest.raises(ModelError, match="there is no run 'nothing'"):
        pull(store.client, "nothing")
