"""Tables of runs hold every epoch and result once, and means with their range."""

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from icl_mlflow.tracking.runs.history import TrainingRecord
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.workflows.export import (
    FORMATS,
    means,
    pull_tables,
    readable,
    tables_of,
    write,
)
from tests.conftest import TrainedRuns

RECORD: dict[str, Any] = {
    "name": "A-baseline",
    "task": "A",
    "variant": "baseline",
    "start_time": 0,
    "params": {},
    "source": "",
    "best_epoch": 1,
}


def record(seed: int, losses: list[float], accuracy: float) -> TrainingRecord:
    return TrainingRecord(
        run_id=f"run{seed}",
        seed=seed,
        identity=f"identity{seed}",
        history=pd.DataFrame({"epoch": range(len(losses)), "val/loss": losses}),
        test={"test/accuracy": accuracy},
        **RECORD,
    )


def test_every_row_tells_its_run_and_means_are_over_seeds() -> None:
    records = [record(0, [0.5, 0.25], 0.75), record(1, [0.25, 0.125], 0.5)]
    found = tables_of(records, {"run0": "models:/icl-A-baseline/1"})
    assert list(found.history["run_id"]) == ["run0", "run0", "run1", "run1"]
    assert list(found.results["model"]) == ["models:/icl-A-baseline/1", ""]
    first, last = found.history_mean.to_dict("records")
    assert (first["epoch"], first["seeds"], first["val/loss"]) == (0, 2, 0.375)
    assert (last["val/loss/low"], last["val/loss/high"]) == (0.125, 0.25)
    (row,) = found.results_mean.to_dict("records")
    assert row["test/accuracy"] == 0.625
    assert "seed" not in row
    assert found.paper.empty
    assert "paper" not in found.tables


def test_a_single_row_has_no_range_and_a_gap_no_mean() -> None:
    frame = pd.DataFrame(
        {"task": ["A", "B", "B"], "seed": [0, 0, 1], "x": [0.5, 1.0, math.nan]}
    )
    one, two = means(frame, ["task"], ["seed"]).to_dict("records")
    assert (one["seeds"], one["x"]) == (1, 0.5)
    assert math.isnan(one["x/low"])
    assert two["seeds"] == 2
    assert math.isnan(two["x"])


def test_readers_see_four_digits_and_intervals_beside_their_means() -> None:
    frame = pd.DataFrame(
        {
            "variant": ["baseline"],
            "loss": [0.123456],
            "loss/low": [0.1],
            "loss/high": [0.2],
            "per_second": [12345.6],
        }
    )
    (row,) = readable(frame).to_dict("records")
    assert row == {
        "variant": "baseline",
        "loss": "0.1235 [0.1000, 0.2000]",
        "per_second": "12346",
    }


@pytest.mark.parametrize("file_format", FORMATS)
def test_every_table_is_a_file(tmp_path: Path, file_format: str) -> None:
    found = tables_of([record(0, [0.5], 0.75)], {})
    files = write(found, tmp_path / "new" / "folder", file_format)
    ending = {"latex": "tex"}.get(file_format, file_format)
    assert [file.name for file in files] == [
        f"{name}.{ending}"
        for name in ("history", "history_mean", "results", "results_mean")
    ]
    assert all(file.stat().st_size for file in files)


def test_a_run_that_is_named_twice_counts_once(
    trained_store: Store, trained_runs: TrainedRuns
) -> None:
    del trained_store
    found = pull_tables([trained_runs.baseline, trained_runs.baseline_seeds[1]])
    assert list(found.results["run_id"]) == list(trained_runs.baseline_seeds)
    with pytest.raises(ValueError, match="give the id of a run, several of them, or"):
        pull_tables([])
