"""Versions say what they are, and the best by validation has the alias ``best``."""

from dataclasses import replace
from typing import Any

import pytest

from icl_mlflow.tracking.models.lookup import find_model
from icl_mlflow.tracking.models.registration import registered_name
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.training.settings import TrainSettings

Keep = Any  # the fixture in conftest.py


def best(store: Store, name: str = "icl-A-baseline") -> str:
    found: str = store.client.get_model_version_by_alias(name, "best").version
    return str(found)


def test_a_version_says_where_it_comes_from_and_how_good_it_is(
    store: Store, keep: Keep, settings: TrainSettings
) -> None:
    run_id, registered = keep(store, replace(settings, seed=3), risk=0.25)
    assert registered.uri == "models:/icl-A-baseline/1"
    version = store.client.get_model_version("icl-A-baseline", "1")
    assert version.run_id == run_id
    assert version.status == "READY"
    assert version.tags == {
        "run_id": run_id,
        "task": "A",
        "variant": "baseline",
        "seed": "3",
        "settings_hash": replace(settings, seed=3).identity,
        "problem": "dim=3 n_context=4",
        "sha256": registered.sha256,
        "val/excess_risk": "0.25",
        "test/accuracy": "0.75",
    }


def test_the_run_shows_its_model(store: Store, keep: Keep) -> None:
    run_id, registered = keep(store)
    run = store.client.get_run(run_id)
    (output,) = run.outputs.model_outputs
    logged = store.client.get_logged_model(output.model_id)
    assert logged.name == "model"
    assert logged.source_run_id == run_id
    assert logged.status == "READY"
    assert registered.name in logged.tags["mlflow.modelVersions"]


def test_best_is_the_lowest_validation_risk_whatever_the_order(
    store: Store, keep: Keep
) -> None:
    held = []
    for risk in (0.3, 0.1, 0.2, 0.05, 0.05):
        keep(store, risk=risk)
        held.append(best(store))
    assert held == ["1", "2", "2", "4", "4"]


def test_a_model_without_a_validation_risk_is_never_best(
    store: Store, keep: Keep
) -> None:
    keep(store, risk=float("nan"))
    assert not store.client.get_registered_model("icl-A-baseline").aliases
    keep(store, risk=0.9)
    assert best(store) == "2"


def test_an_easier_problem_does_not_make_a_better_model(
    store: Store, keep: Keep, settings: TrainSettings
) -> None:
    small = {"d_model": 8, "n_heads": 2}
    keep(store, replace(settings, n_context=1), risk=0.001)
    assert best(store) == "1"
    keep(store, TrainSettings(**small), risk=0.02)
    assert best(store) == "2"
    keep(store, replace(settings, n_context=1), risk=0.0001)
    keep(store, TrainSettings(**small, tau=0.5), risk=0.0001)
    assert best(store) == "2"
    # Another seed, width or training is the same problem.
    keep(store, TrainSettings(**small, seed=1, lr=0.1), risk=0.01)
    assert best(store) == "5"


def test_each_task_and_variant_has_its_own_name(
    store: Store, keep: Keep, settings: TrainSettings
) -> None:
    keep(store)
    _, registered = keep(store, replace(settings, task="B"))
    assert registered.uri == "models:/icl-B-baseline/1"


@pytest.mark.parametrize("where", ["store", "server_store"])
def test_the_registry_takes_composed_names(
    request: pytest.FixtureRequest, where: str
) -> None:
    store: Any = request.getfixturevalue(where)
    settings = TrainSettings()
    object.__setattr__(settings, "variant", "no_position+noisy_labels_0.2")
    name = registered_name(settings)
    assert name == "icl-A-no_position+noisy_labels_0.2"
    store.client.create_registered_model(name)
    source = f"{store.client.get_experiment(store.experiment_id).artifact_location}/m"
    run = store.client.create_run(store.experiment_id)
    source = run.info.artifact_uri
    store.client.create_model_version(name, source, run.info.run_id)
    store.client.set_registered_model_alias(name, "best", "1")
    for reference in (f"models:/{name}/1", f"models:/{name}@best"):
        assert find_model(store.client, reference).run_id == run.info.run_id
    assert len(store.client.search_model_versions(f"name='{name}'")) == 1
