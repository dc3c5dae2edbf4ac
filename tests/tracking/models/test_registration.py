"""Versions say what they are and where they come from."""

from dataclasses import replace
from typing import Any

from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.training.settings import TrainSettings

Keep = Any  # the fixture in conftest.py


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


def test_each_task_and_variant_has_its_own_name(
    store: Store, keep: Keep, settings: TrainSettings
) -> None:
    keep(store)
    _, registered = keep(store, replace(settings, task="B"))
    assert registered.uri == "models:/icl-B-baseline/1"
