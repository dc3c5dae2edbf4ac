"""Versions are read from their tags, whoever wrote them."""

import math
from typing import Any

from icl_mlflow.tracking.models.versions import versions_of
from icl_mlflow.tracking.store.connection import Store

Keep = Any  # the fixture in conftest.py


def test_all_versions_are_found_by_name_and_number(store: Store, keep: Keep) -> None:
    run_id, _ = keep(store, risk=0.25)
    keep(store, risk=0.5)
    first, second = versions_of(store.client, "name='icl-A-baseline'")
    assert (first.uri, second.version) == ("models:/icl-A-baseline/1", 2)
    assert (first.run_id, first.task, first.variant) == (run_id, "A", "baseline")
    assert (first.validation_risk, second.validation_risk) == (0.25, 0.5)
    assert first.rank < second.rank


def test_a_version_of_others_is_read_without_a_complaint(store: Store) -> None:
    store.client.create_registered_model("theirs")
    tags = {"val/excess_risk": "low", "seed": "many"}
    store.client.create_model_version("theirs", "file:///nowhere", tags=tags)
    (only,) = versions_of(store.client, "name='theirs'")
    assert math.isnan(only.validation_risk)
    assert (only.task, only.run_id, only.description) == ("", "", "")
