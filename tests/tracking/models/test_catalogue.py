"""Registered models are listed by task, variant and quality, and show their cards."""

from dataclasses import replace
from typing import Any

import pytest

import icl_mlflow as icl
from icl_mlflow.tracking.models.catalogue import (
    ModelList,
    lines_of,
    model_card,
    registered_models,
)
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.training.settings import TrainSettings
from tests.tracking.models.listed import listed
from tests.tracking.models.test_registration import OLD_TAGS

Keep = Any  # the fixture in conftest.py


@pytest.fixture
def stocked(store: Store, keep: Keep, settings: TrainSettings) -> Store:
    """Two versions of one name, two others, and a model of somebody else."""
    keep(store, risk=0.3)
    keep(store, risk=0.1)
    keep(store, replace(settings, task="B"))
    keep(store, replace(settings, variant="no_position"))
    store.client.create_registered_model("theirs")
    store.client.create_model_version("theirs", "file:///nowhere", tags={"task": "A"})
    return store


def names(found: Any) -> list[str]:
    return [one.uri.removeprefix("models:/icl-") for one in found]


@pytest.mark.parametrize("where", ["store", "server_store"])
def test_models_are_listed_with_the_best_first(
    request: pytest.FixtureRequest, where: str, keep: Keep, settings: TrainSettings
) -> None:
    store = request.getfixturevalue(where)
    ours = replace(settings, model_prefix="listed-")  # the server has others too
    keep(store, ours, risk=0.3)
    keep(store, ours, risk=0.1)
    everything = icl.registered_models()
    mine = [one for one in everything if one.name == "listed-icl-A-baseline"]
    assert [one.version for one in mine] == [2, 1]
    assert mine[0].aliases == ("best",)
    assert icl.load_model(mine[0].uri).sha256 == mine[0].sha256
    found = ModelList(tuple(mine))
    assert found.table["validation_risk"].tolist() == [0.1, 0.3]
    first = repr(found).splitlines()[1].split()
    assert first[:3] == ["listed-icl-A-baseline/2", "best", "0"]
    assert "<td>listed-icl-A-baseline/2</td><td>best</td>" in found._repr_html_()


def test_they_are_found_by_task_and_variant(stocked: Store) -> None:
    del stocked
    assert names(registered_models()) == [
        "A-baseline/2",
        "A-baseline/1",
        "A-no_position/1",
        "B-baseline/1",
    ]
    assert names(registered_models(task="B")) == ["B-baseline/1"]
    assert names(registered_models(variant="no_position")) == ["A-no_position/1"]


def test_an_unknown_task_names_those_that_are_there(stocked: Store) -> None:
    del stocked
    with pytest.raises(ValueError, match="'C'; choose one of: A, B"):
        registered_models(task="C")
    with pytest.raises(ValueError, match=r"choose one of: baseline$"):
        registered_models(task="B", variant="no_position")


def test_an_empty_registry_has_no_models(store: Store) -> None:
    del store
    assert len(registered_models(task="A")) == 0


def test_the_bar_is_about_the_test_episodes(store: Store) -> None:
    """A version of an earlier release has all digits, and is read alike."""
    store.client.create_registered_model("icl-A-baseline")
    store.client.create_model_version(
        "icl-A-baseline", "file:///old", tags=dict(OLD_TAGS)
    )
    assert len(registered_models(bar=0.0235)) == 1
    assert len(registered_models(bar=0.0234)) == 0
    (line,) = lines_of(registered_models().versions)[1:]
    assert "0.01235" in line
    assert "0.02346" in line


def test_a_card_is_shown_by_any_name(store: Store, keep: Keep) -> None:
    _, registered = keep(store)
    of_version = model_card(registered.uri)
    assert "**Limits.**" in of_version
    for reference in ("@best", "/1", "/latest"):
        assert model_card(f"icl-A-baseline{reference}") == of_version
    of_all = model_card("icl-A-baseline")
    assert "| 1 `best` |" in of_all
    assert "<!--" not in of_all


@pytest.mark.parametrize("reference", ["icl-C", "icl-A-baseline/7", "icl-A-baseline@x"])
def test_a_model_that_is_not_there_is_named(
    store: Store, keep: Keep, reference: str
) -> None:
    keep(store)
    with pytest.raises(ValueError, match=f"no registered model '{reference}'"):
        model_card(reference)


def test_versions_of_earlier_releases_are_shown_without_a_card(store: Store) -> None:
    client = store.client
    client.create_registered_model("icl-A-baseline")
    client.create_model_version("icl-A-baseline", "file:///old", tags=dict(OLD_TAGS))
    for reference in ("icl-A-baseline", "icl-A-baseline/1"):
        told = model_card(reference)
        assert "registered without a card" in told
        assert "0.01235" in told


def test_what_others_have_written_is_no_command_to_the_terminal() -> None:
    (line,) = lines_of([replace(listed(1, 0.1), seed="\x1b[2J")])[1:]
    assert "\x1b" not in line
