"""A registered model shows all its versions, and what its readers wrote stays."""

from typing import Any

from icl_mlflow.tables import unspaced
from icl_mlflow.tracking.models.card import LONGEST
from icl_mlflow.tracking.models.presentation import card_of_versions, present
from icl_mlflow.tracking.store.connection import Store
from tests.tracking.models.listed import listed

Keep = Any  # the fixture in conftest.py

NAME = "icl-A-baseline"


def described(store: Store) -> str:
    return unspaced(str(store.client.get_registered_model(NAME).description))


def test_the_card_has_every_seed_and_says_which_is_best(
    store: Store, keep: Keep
) -> None:
    keep(store, risk=0.3)
    keep(store, risk=0.1)
    card = described(store)
    assert "| 2 `best` | 0 | dim=3 n_context=4 | 0.1 |  | 0.75 |" in card
    assert "| 1 | 0 | dim=3 n_context=4 | 0.3 |  | 0.75 |" in card
    assert "`best` is version 2" in card
    assert 'icl.load_model("models:/icl-A-baseline@best")' in card


def test_what_a_reader_wrote_above_it_stays(store: Store, keep: Keep) -> None:
    keep(store)
    store.client.update_registered_model(NAME, f"Ours.\n\n{described(store)}")
    keep(store, risk=0.01)
    card = described(store)
    assert card.startswith("Ours.\n\n<!-- icl-mlflow -->\n")
    assert card.count("<!-- icl-mlflow -->") == 1
    assert card.count("What does the full model reach?") == 1
    assert "| 2 `best` |" in card


def test_a_card_has_room_for_the_best_of_many_versions() -> None:
    versions = [listed(n, 1 / n, 2 / n) for n in range(1, 301)]
    whole = card_of_versions(versions, LONGEST)
    assert len(whole) <= LONGEST
    card = unspaced(whole)
    assert "| 300 `best` | 300 | standard | 0.003333 | 0.006667 | 0.75 |" in card
    assert "| 1 | 1 |" not in card
    assert "and 260 more; `icl-mlflow models icl-A-baseline` lists them." in card
    assert "Over the 300 versions of the standard problem" in card
    assert "is 0.01329 nats in the median, from 0.006667 to 2." in card


def test_a_card_that_has_little_room_keeps_what_matters() -> None:
    versions = [listed(n, 1 / n) for n in range(1, 301)]
    card = card_of_versions(versions, 1_200)
    assert len(card) <= 1_200
    assert card.startswith("`best` is version 300")
    assert "icl.load_model" in card


def test_models_that_are_never_best_are_loaded_by_number() -> None:
    nan = float("nan")
    card = card_of_versions([listed(1, nan, 0.2), listed(2, nan, 0.1)], LONGEST)
    assert "best" not in card.replace("the best", "")
    assert 'icl.load_model("models:/icl-A-baseline/2")' in card


def test_what_was_written_from_an_older_look_is_mended(
    store: Store, keep: Keep
) -> None:
    """As if two had registered at once, and one had written over what the other had."""
    keep(store, risk=0.3)
    keep(store, risk=0.1)
    client = store.client
    whole = [client.get_model_version(NAME, v).description for v in "12"]
    card = described(store)
    client.update_model_version(NAME, "1", whole[1].partition("<!")[0] + whole[0])
    client.update_model_version(NAME, "2", whole[1].partition("\n\n**Load it**")[0])
    client.set_registered_model_alias(NAME, "best", "1")
    client.update_registered_model(NAME, card.partition("| 2 `best` |")[0])
    present(client, NAME, 1, "What an older version would say of all.")
    again = [client.get_model_version(NAME, v).description for v in "12"]
    assert again == whole
    assert described(store) == card
    assert int(client.get_model_version_by_alias(NAME, "best").version) == 2
