"""Published result files are read row by row, or refused with the reason."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from icl_mlflow.published.history import read_histories


def rows(**changes: Any) -> pd.DataFrame:
    """Two seeds of two epochs."""
    return pd.DataFrame(
        [
            {
                "epoch": epoch,
                "train_loss": 0.7 - epoch / 10,
                "train_acc": 0.5,
                "val_loss": 0.6,
                "val_acc": 0.55 + seed / 100,
                "seed": seed,
                "model": "ICLTransformer",
                "experiment": "task_A_regular",
                **changes,
            }
            for seed in (0, 1)
            for epoch in (1, 0)
        ]
    )


def written(folder: Path, table: pd.DataFrame) -> Path:
    table.to_csv(folder / "results.csv", index=False)
    return folder / "results.csv"


def test_every_seed_has_a_history_under_the_tracked_names(tmp_path: Path) -> None:
    first, second = read_histories(written(tmp_path, rows()))
    assert first.key == ("task_A_regular", "ICLTransformer", 0)
    assert second.seed == 1
    assert list(first.epochs) == [0, 1]
    assert first.epochs[1] == pytest.approx(
        {
            "train/loss": 0.6,
            "train/accuracy": 0.5,
            "val/loss": 0.6,
            "val/accuracy": 0.55,
        }
    )


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (rows().drop(columns="val_acc"), "no column val_acc"),
        (rows(val_loss="a"), "not only numbers in column val_loss"),
        (rows(val_loss=float("nan")), "not only numbers in column val_loss"),
        (rows(seed=0.5), "whole numbers"),
        (rows(seed=3), "epoch 1 of seed 3 is there twice"),
    ],
)
def test_what_is_at_odds_with_itself_is_refused(
    tmp_path: Path, table: pd.DataFrame, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason) as refused:
        read_histories(written(tmp_path, table))
    assert "results.csv cannot be read as published results" in str(refused.value)


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "results.csv"
    file.write_bytes(b"\x00\xff\xfe" * 10)
    with pytest.raises(ValueError, match="cannot be read as published results"):
        read_histories(file)
    file.write_text("")
    with pytest.raises(ValueError, match="cannot be read as published results"):
        read_histories(file)
    with pytest.raises(ValueError, match="No such file"):
        read_histories(tmp_path / "none.csv")
