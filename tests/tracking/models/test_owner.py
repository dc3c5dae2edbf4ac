"""Whose a registered model is, and what is said to whom may not edit it."""

from typing import Any

import pytest

from icl_mlflow.tracking.models.owner import NotOurModelError, our_name, owner_of
from icl_mlflow.tracking.store.connection import Store

Keep = Any  # the fixture in conftest.py


def test_a_model_is_its_makers(
    store: Store, keep: Keep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ann")
    keep(store)
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "bob")
    keep(store)
    assert owner_of(store.client, "icl-A-baseline") == "ann"


def test_a_model_of_an_earlier_release_is_its_first_users(
    store: Store, keep: Keep
) -> None:
    run_id, registered = keep(store)
    store.client.delete_registered_model_tag(registered.name, "owner")
    store.client.set_tag(run_id, "mlflow.user", "carol")
    assert owner_of(store.client, registered.name) == "carol"


def test_nobody_is_named_where_nobody_is_known(store: Store) -> None:
    assert owner_of(store.client, "unknown") == ""


def test_the_refusal_says_whose_it_is_and_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "bob")
    assert our_name() == "bob"
    said = str(NotOurModelError("icl-A-baseline", "ann"))
    assert "icl-A-baseline is ann's, and bob may not edit it; ask ann" in said
    assert "--model_prefix" in said
    assert "is another user's" in str(NotOurModelError("icl-A-baseline", ""))
