"""Tables say what the frame holds, on each medium, and nothing else."""

import io
import math
from pathlib import Path

import pandas as pd

from icl_mlflow.tables import (
    csv,
    latex,
    markdown,
    read_csv,
    spaced,
    unspaced,
    with_interval,
)

TABLE = pd.DataFrame({"run_id": ["4f2a", "a|b"], "risk": [0.25, -1.5]})


def test_csv_is_read_back_as_it_was() -> None:
    pd.testing.assert_frame_equal(pd.read_csv(io.StringIO(csv(TABLE))), TABLE)


def test_no_cell_and_no_name_of_a_column_is_a_formula() -> None:
    lines = csv(pd.DataFrame({"=A1": ["@x"], "b": [-1.5]})).splitlines()
    assert lines == ["'=A1,b", "'@x,-1.5"]


def test_what_csv_has_written_is_read_as_it_was(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {
            "each": ["-0.0013 0.0021", "=x"],
            "-odd": ["a", "b"],
            "risk": [1 / 3, 0.1 + 0.2],
            "gap": [math.nan, 1e-17],
        }
    )
    file = tmp_path / "table.csv"
    file.write_text(csv(table))
    pd.testing.assert_frame_equal(read_csv(file), table, rtol=1e-15)


def test_markdown_has_a_row_a_line_whatever_the_cells_hold() -> None:
    broken = pd.DataFrame({"a|b": ["x\ny", "c|d"], "n": [1, 2]})
    head, rule, *rows = markdown(broken).splitlines()
    assert head == r"| a\|b | n |"
    assert rule == "| --- | --- |"
    assert rows == [r"| x\\ny | 1 |", r"| c\|d | 2 |"]


def test_latex_is_a_tabular_of_booktabs() -> None:
    assert latex(TABLE).splitlines() == [
        r"\begin{tabular}{ll}",
        r"\toprule",
        r"run\_id & risk \\",
        r"\midrule",
        r"4f2a & 0.25 \\",
        r"a|b & -1.5 \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


def test_a_number_stands_with_its_interval_where_there_is_one() -> None:
    assert with_interval(0.78123, 0.77, 0.79) == "0.7812 [0.7700, 0.7900]"
    assert with_interval(0.78123, math.nan, math.nan, digits=2) == "0.78"
    assert with_interval(math.nan, 0.77, 0.79) == ""


def test_room_between_columns_is_no_text_of_the_table() -> None:
    table = markdown(pd.DataFrame({"a": ["x|y", "-"], "b": ["1", ""]}))
    text = f"Before | it.\n\n{table}\nAfter."
    wide = spaced(text)
    assert wide.count("&emsp; |") == 6, "two columns of three rows"
    assert unspaced(wide) == text
