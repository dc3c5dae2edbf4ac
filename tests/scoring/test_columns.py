"""Columns come back as they were written, and from files of other programs."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from icl_mlflow.scoring.columns import read_columns, write_columns
from icl_mlflow.scoring.settings import ENDINGS

COLUMNS = {
    "nested": np.arange(24, dtype=np.float32).reshape(4, 3, 2) / 7,
    "label": np.array([0, 1, 1, 0], dtype=np.int8),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_columns_and_note_come_back_to_the_bit(ending: str, tmp_path: Path) -> None:
    file = tmp_path / f"x{ending}"
    write_columns(file, COLUMNS, {"task": "A"})
    found, note = read_columns(file)
    assert note == {"task": "A"}
    assert found.keys() == COLUMNS.keys()
    for name, value in COLUMNS.items():
        np.testing.assert_array_equal(found[name], value)
        assert found[name].dtype == value.dtype
    assert [one.name for one in tmp_path.iterdir()] == [file.name]  # and no draft


def test_lists_that_another_program_wrote_are_arrays_too(tmp_path: Path) -> None:
    file, copy = tmp_path / "x.parquet", tmp_path / "copy.parquet"
    write_columns(file, COLUMNS, {})
    pd.read_parquet(file).assign(text="words are left out").to_parquet(copy)
    found, _ = read_columns(copy)
    assert found.keys() == COLUMNS.keys()
    np.testing.assert_array_equal(found["nested"], COLUMNS["nested"])


def test_a_table_of_text_files_is_read(tmp_path: Path) -> None:
    (tmp_path / "y.csv").write_text("episode,log_odds,who\n0,1.5,me\n1,-2,you\n")
    found, note = read_columns(tmp_path / "y.csv")
    assert {k: v.tolist() for k, v in found.items()} == {
        "episode": [0, 1],
        "log_odds": [1.5, -2.0],
    }
    assert note == {}


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("y.txt", b"", "must end in .parquet or .npz or .csv"),
        ("none.parquet", None, "there is no file"),
        ("y.parquet", b"no such thing", "cannot be read"),
        ("y.npz", b"no such thing", "cannot be read"),
        ("y.csv", b"", "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(
    name: str, content: bytes | None, complaint: str, tmp_path: Path
) -> None:
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ValueError, match=complaint) as caught:
        read_columns(file)
    assert name in str(caught.value)


def test_lists_of_unequal_lengths_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "x.parquet"
    pd.DataFrame({"x": [[1.0, 2.0], [3.0]]}).to_parquet(file)
    with pytest.raises(ValueError, match="column x holds lists of unequal lengths"):
        read_columns(file)
