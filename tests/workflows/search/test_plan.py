"""A search is checked before anything exists, and known by what it looks for."""

import importlib.util
from typing import Any

import pytest

from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.workflows.search.plan import plan_search

SETTINGS = TrainSettings.preset("smoke")


def test_equal_searches_have_one_study_whatever_their_length() -> None:
    pytest.importorskip("optuna", reason="needs the extra search")
    one = plan_search(SETTINGS, "lr=1e-4:1e-2", 5)
    assert plan_search(SETTINGS, "lr=0.0001:0.01", 50).study == one.study
    assert plan_search(SETTINGS, "lr=1e-4:2e-2", 5).study != one.study
    assert plan_search(TrainSettings(), "lr=1e-4:1e-2", 5).study != one.study


def test_without_optuna_one_line_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = importlib.util.find_spec

    def without(name: str, *more: Any) -> Any:
        return None if name == "optuna" else found(name, *more)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    with pytest.raises(ValueError, match=r"pip install 'icl-mlflow\[search\]'"):
        plan_search(SETTINGS, "lr=1e-4:1e-2", 5)


def test_without_an_epoch_there_is_nothing_to_look_for() -> None:
    pytest.importorskip("optuna", reason="needs the extra search")
    none = TrainSettings.preset("smoke", epochs=0)
    with pytest.raises(ValueError, match="at least one epoch"):
        plan_search(none, "lr=1e-4:1e-2", 5)
