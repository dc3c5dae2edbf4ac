"""The best by validation has the alias ``best``, whatever came first, and says why."""

from dataclasses import replace
from typing import Any

import pytest

from icl_mlflow.tracking.models.best import best_of, reason, with_reason
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.training.settings import TrainSettings
from tests.tracking.models.listed import listed

Keep = Any  # the fixture in conftest.py


def best(store: Store, name: str = "icl-A-baseline") -> str:
    found: str = store.client.get_model_version_by_alias(name, "best").version
    return str(found)


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


def test_the_version_that_is_best_says_why_and_no_other_does(
    store: Store, keep: Keep
) -> None:
    said = []
    for risk in (0.3, 0.1, 0.2):
        keep(store, risk=risk)
        versions = store.client.search_model_versions("name='icl-A-baseline'")
        said += [v.version for v in versions if "Why this version is" in v.description]
    assert list(map(int, said)) == [1, 2, 2]
    told = store.client.get_model_version("icl-A-baseline", "2").description
    assert "of the 3 versions" in told
    assert "0.1 nats; the next is version 3 with 0.2" in told
    assert "**Limits.**" in told, "the rest of the card is there"


@pytest.mark.parametrize("test_risk", [0.0, 9.0])
def test_test_episodes_have_no_say(test_risk: float) -> None:
    versions = [listed(1, 0.2, test_risk), listed(2, 0.1, 9 - test_risk)]
    found = best_of(versions)
    assert found is not None
    assert found.version == 2
    assert "Test episodes have no say" in reason(found, versions)


def test_risks_that_agree_in_six_digits_are_equal() -> None:
    found = best_of([listed(1, 0.0123456), listed(2, 0.01234558)])
    assert found is not None
    assert found.version == 1


def test_a_changed_problem_is_no_rival_of_the_standard_one() -> None:
    versions = [listed(1, 0.2), listed(2, 0.001, problem="n_context=1")]
    assert "the only version of the standard problem" in reason(versions[0], versions)


def test_a_reason_takes_the_place_of_an_earlier_one() -> None:
    first = with_reason("A card.\n\nMore.", "it is alone.")
    second = with_reason(first, "it is lower.")
    assert "alone" not in second
    assert second.endswith("it is lower.\n\nA card.\n\nMore.")
    assert with_reason(second, "") == "A card.\n\nMore."
