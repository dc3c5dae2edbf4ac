"""The best by validation has the alias ``best``, whatever came first."""

from dataclasses import replace
from typing import Any

from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.training.settings import TrainSettings

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
