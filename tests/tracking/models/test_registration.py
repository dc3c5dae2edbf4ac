"""Versions say what they are and where they come from, and no weights come twice."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from icl_mlflow.models import Transformer
from icl_mlflow.tables import unspaced
from icl_mlflow.tracking.models.lookup import find_model, load_model
from icl_mlflow.tracking.models.packaging import packaged
from icl_mlflow.tracking.models.registration import is_registered, register
from icl_mlflow.tracking.outbox.records import ModelVersion
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.training.settings import TrainSettings

Keep = Any  # the fixture in conftest.py

NAME = "icl-A-baseline"

#: Tags of a version as earlier releases wrote them.
OLD_TAGS: Mapping[str, str] = {
    "task": "A",
    "variant": "baseline",
    "seed": "11",
    "settings_hash": "0123456789abcdef",
    "problem": "dim=3 n_context=4",
    "sha256": "0a" * 32,
    "run_id": "0a1b2c",
    "val/loss": "0.4821234567890123",
    "val/accuracy": "0.7712345678901234",
    "val/excess_risk": "0.0123456789012345",
    "val/loss_standard_error": "0.0012345678901234",
    "test/loss": "0.4821234567890123",
    "test/accuracy": "0.7712345678901234",
    "test/excess_risk": "0.0234567890123456",
    "test/auc": "0.8412345678901234",
    "test/brier": "0.1512345678901234",
    "test/ece": "0.0112345678901234",
    "test/entropy_mae_bits": "0.0212345678901234",
}


def best(client: MlflowClient) -> str:
    return str(client.get_model_version_by_alias(NAME, "best").version)


def test_a_version_says_where_it_comes_from_and_how_good_it_is(
    store: Store, keep: Keep, settings: TrainSettings
) -> None:
    run_id, registered = keep(store, replace(settings, seed=3), risk=0.123456789)
    assert registered.uri == "models:/icl-A-baseline/1"
    version = store.client.get_model_version(NAME, "1")
    assert version.run_id == run_id
    assert version.status == "READY"
    assert version.tags == {
        "task": "A",
        "variant": "baseline",
        "seed": "3",
        "problem": "dim=3 n_context=4",
        "sha256": registered.sha256,
        "val/excess_risk": "0.123457",
        "test/accuracy": "0.75",
    }


def test_each_task_and_variant_has_its_own_name(
    store: Store, keep: Keep, settings: TrainSettings
) -> None:
    keep(store)
    _, registered = keep(store, replace(settings, task="B"))
    assert registered.uri == "models:/icl-B-baseline/1"


def test_a_prefix_sets_a_users_models_apart(
    store: Store, keep: Keep, settings: TrainSettings
) -> None:
    keep(store)
    run_id, registered = keep(store, replace(settings, model_prefix="ann-"))
    assert registered.uri == "models:/ann-icl-A-baseline/1"
    assert load_model("models:/ann-icl-A-baseline@best").sha256 == registered.sha256
    assert find_model(store.client, run_id).reference == registered.uri


def test_weights_that_are_registered_are_not_registered_again(
    store: Store, keep: Keep, model: Transformer
) -> None:
    first_run, first = keep(store, model=model)
    keep(store)
    second_run, second = keep(store, model=model, risk=0.01)
    assert second.uri == first.uri
    assert len(store.client.search_model_versions(f"name='{NAME}'")) == 2
    assert best(store.client) == "1", "the first of two that are equally good"
    for run_id in (first_run, second_run):
        assert load_model(run_id).sha256 == first.sha256
    (output,) = store.client.get_run(second_run).outputs.model_outputs
    stored = store.client.get_logged_model(output.model_id)
    (link,) = json.loads(stored.tags["mlflow.modelVersions"])
    assert f"models:/{link['name']}/{link['version']}" == first.uri


def test_versions_of_earlier_releases_take_part(store: Store, keep: Keep) -> None:
    client = store.client
    client.create_registered_model(NAME)
    run_id = client.create_run(store.experiment_id).info.run_id
    client.create_model_version(NAME, "file:///old", run_id, tags=dict(OLD_TAGS))
    keep(store, risk=0.5)
    assert best(client) == "1"
    assert "0.01235 nats" in client.get_model_version(NAME, "1").description
    card = unspaced(client.get_registered_model(NAME).description)
    assert "| 1 `best` | 11 |" in card
    keep(store, risk=0.01)
    assert best(client) == "3"
    old = client.get_model_version(NAME, "1")
    assert (old.description or "", old.tags) == ("", OLD_TAGS)
    assert find_model(client, f"models:/{NAME}/1").tags == OLD_TAGS


@pytest.fixture
def wanted(
    model: Transformer, settings: TrainSettings, tmp_path: Path
) -> tuple[Path, ModelVersion]:
    """A package, and the record of a version that may be registered repeatedly."""
    folder, facts = packaged(tmp_path, "0" * 32, model, settings)
    record = ModelVersion(
        name=NAME,
        sha256=facts["sha256"],
        files={},
        params={},
        facts=facts,
        results={"val/excess_risk": "0.5"},
        card="A card.",
        about="About it.",
    )
    return folder, record


def test_a_registration_that_was_cut_off_is_completed(
    store: Store, wanted: tuple[Path, ModelVersion]
) -> None:
    client, (folder, record) = store.client, wanted
    run = client.create_run(store.experiment_id)
    run_id = run.info.run_id
    first = register(store, run_id, folder, record, lambda _: None)
    whole = client.get_model_version(NAME, "1").description
    assert 'icl.load_model("models:/icl-A-baseline/1")' in whole
    # As if killed as soon as the version was there.
    client.update_model_version(NAME, "1", "<!-- icl-mlflow -->\nA card.")
    client.delete_registered_model_alias(NAME, "best")
    assert register(store, run_id, folder, record, lambda _: None) == first
    assert client.get_model_version(NAME, "1").description == whole
    assert "A card." in whole
    assert best(client) == "1"
    run = client.get_run(run_id)
    assert is_registered(store, run, record, lambda _: None)


def test_a_record_of_an_earlier_release_is_registered_without_a_card(
    store: Store, wanted: tuple[Path, ModelVersion]
) -> None:
    folder, record = wanted
    run_id = store.client.create_run(store.experiment_id).info.run_id
    register(store, run_id, folder, replace(record, card="", about=""), lambda _: None)
    description = store.client.get_model_version(NAME, "1").description
    assert description.startswith("> **Why this version is `best`:**")
    assert not store.client.get_registered_model(NAME).description
