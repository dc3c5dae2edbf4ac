"""`icl-mlflow compare RUN_1 RUN_2`: paired by seed, on the same episodes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from icl_mlflow.tracking.store.connection import Store

Icl = Callable[..., Any]


def test_two_models_are_compared_over_episodes(
    icl: Icl, trained_store: Store, trained_runs: Any, tmp_path: Path
) -> None:
    first, second = trained_runs.baseline_seeds
    ended = icl("compare", first, second, "--episodes", "400")
    assert ended.code == 0, ended.err
    lines = ended.out.splitlines()
    assert [line.split()[0] for line in lines[:3]] == [
        "accuracy",
        "excess_risk",
        "loss",
    ]
    assert "95 % over episodes" in lines[3]
    assert "one pair says nothing of other seeds" in lines[3]
    run = trained_store.client.get_run(lines[4].split()[1])
    numbers = run.data.metrics
    key = "difference/excess_risk"
    assert set(numbers) == {key, "difference/accuracy", "difference/loss"}
    table = trained_store.client.download_artifacts(
        run.info.run_id, "tables/comparison.csv", str(tmp_path)
    )
    row = pd.read_csv(table).set_index("metric").loc["excess_risk"]
    assert row["low"] < numbers[key] < row["high"]
    backwards = icl("compare", second, first, "--episodes", "400")
    run = trained_store.client.get_run(backwards.out.splitlines()[4].split()[1])
    assert run.data.metrics[key] == pytest.approx(-numbers[key])


def test_what_cannot_be_compared_is_refused_before_anything_is_created(
    icl: Icl, trained_store: Store, trained_runs: Any
) -> None:
    experiment = [trained_store.experiment_id]
    before = len(trained_store.client.search_runs(experiment))
    parent, seed = trained_runs.baseline, trained_runs.baseline_seeds[0]
    for arguments, message in (
        ([parent, trained_runs.task_b], "no episode fits both"),
        ([parent, parent], "give two different runs"),
        ([parent, "f00"], "there is no run 'f00'"),
        ([parent], "Missing argument 'RUN_2'"),
        ([parent, seed, "--sigma_min", "1"], "task A has no sigma_min"),
    ):
        ended = icl("compare", *arguments)
        assert ended.code == 2
        (line,) = ended.err.splitlines()
        assert message in line
    assert len(trained_store.client.search_runs(experiment)) == before
