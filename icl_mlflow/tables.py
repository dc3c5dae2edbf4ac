"""Tables for papers and pages: Markdown and LaTeX, and numbers as people write them."""

import math
from pathlib import Path

import pandas as pd

from icl_mlflow.escaping import for_csv, for_latex, for_markdown, from_csv


def with_interval(mean: float, low: float, high: float, digits: int = 4) -> str:
    """``0.7812 [0.7790, 0.7834]``; without the interval where there is none.

    >>> with_interval(0.5, 0.4, 0.6, digits=1)
    '0.5 [0.4, 0.6]'
    """
    if math.isnan(mean):
        return ""
    shown = f"{mean:.{digits}f}"
    if math.isnan(low):
        return shown
    return f"{shown} [{low:.{digits}f}, {high:.{digits}f}]"


def markdown(table: pd.DataFrame) -> str:
    r"""A pipe table; cells are text, whatever they hold.

    >>> print(markdown(pd.DataFrame({"a": ["x|y"], "b": [1]})), end="")
    | a | b |
    | --- | --- |
    | x\|y | 1 |
    """
    rows = [list(table.columns), ["---"] * table.shape[1], *table.to_numpy().tolist()]
    lines = [
        "| " + " | ".join(for_markdown(str(cell)) for cell in row) + " |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def spaced(text: str) -> str:
    r"""Markdown with room between the columns of its tables, where a page gives none.

    >>> print(spaced("| a | b |\n| --- | --- |\n| 1 | 2 |"))
    | a&emsp; | b&emsp; |
    | --- | --- |
    | 1&emsp; | 2&emsp; |
    """
    return "\n".join(
        f"{line[:2]}{line[2:].replace(' |', '&emsp; |')}" if _is_row(line) else line
        for line in text.split("\n")
    )


def unspaced(text: str) -> str:
    """What `spaced` was given, for a reader who sees the text itself."""
    return text.replace("&emsp;", "")


def _is_row(line: str) -> bool:
    return line.startswith("| ") and not line.startswith("| ---")


def csv(table: pd.DataFrame) -> str:
    """Comma-separated values without the index; no cell is a formula.

    >>> print(csv(pd.DataFrame({"a": ["=1+1"], "b": [-1]})), end="")
    a,b
    '=1+1,-1
    """
    return table.rename(columns=for_csv).map(for_csv).to_csv(index=False)


def read_csv(file: Path) -> pd.DataFrame:
    """The table that `csv` has written."""
    table = pd.read_csv(file)
    return table.rename(columns=from_csv).map(from_csv)


def latex(table: pd.DataFrame) -> str:
    """A booktabs tabular; special characters are escaped."""
    rows = [
        " & ".join(for_latex(str(cell)) for cell in row) + r" \\"
        for row in [list(table.columns), *table.to_numpy().tolist()]
    ]
    return "\n".join(
        [
            r"\begin{tabular}{" + "l" * table.shape[1] + "}",
            r"\toprule",
            rows[0],
            r"\midrule",
            *rows[1:],
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )
