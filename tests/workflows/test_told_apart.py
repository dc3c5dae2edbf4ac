"""Runs of one training share a mean; those of other settings are told apart."""

from typing import Any

import pandas as pd

from icl_mlflow.tracking.runs.history import TrainingRecord
from icl_mlflow.workflows.told_apart import told_apart


def record(run_id: str, *, source: str = "", **params: str) -> TrainingRecord:
    given: dict[str, Any] = {"task": "A", "variant": "baseline", "seed": "0"}
    given |= params
    return TrainingRecord(
        run_id=run_id,
        name=run_id,
        task=given["task"],
        variant=given["variant"],
        seed=int(given["seed"]),
        identity=run_id,
        start_time=0,
        params={**given, "lr": params.get("lr", "0.0003")},
        source=source,
        best_epoch=None,
        history=pd.DataFrame(),
        test={},
    )


def test_seeds_of_one_training_are_alike() -> None:
    found = told_apart([record("a", seed="0"), record("b", seed="1", data_seed="4")])
    assert found == {"a": "", "b": ""}


def test_what_differs_is_named_in_one_spelling() -> None:
    found = told_apart(
        [record("a", lr="3e-4", epochs="10"), record("b", lr="1e-3", epochs="10.0")]
    )
    assert found == {"a": "lr=0.0003", "b": "lr=0.001"}


def test_what_changes_no_result_is_not_named() -> None:
    found = told_apart([record("a", threads="1"), record("b", threads="8")])
    assert found == {"a": "", "b": ""}


def test_an_imported_model_is_not_a_training_of_ours() -> None:
    found = told_apart([record("a"), record("b", source="published")])
    assert found == {"a": "", "b": "source=published"}


def test_a_setting_that_came_later_had_its_default() -> None:
    found = told_apart([record("a"), record("b", warmup="0.9")])
    assert found["b"] == "warmup=0.9"
    assert found["a"].startswith("warmup=")


def test_runs_of_other_tasks_and_variants_are_none_of_the_others() -> None:
    found = told_apart(
        [
            record("a", lr="1e-3"),
            record("b", task="B", lr="2e-3"),
            record("c", variant="no_labels", lr="4e-3"),
        ]
    )
    assert found == {"a": "", "b": "", "c": ""}
