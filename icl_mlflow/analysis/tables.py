"""Tables for papers and pages: Markdown and LaTeX, and numbers as people write them."""

import math

import pandas as pd

_LATEX = str.maketrans(
    {"_": r"\_", "%": r"\%", "&": r"\&", "#": r"\#", "±": r"$\pm$", "+": "{+}"}
)


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
    r"""A pipe table; cells are shown as they are.

    >>> print(markdown(pd.DataFrame({"a": ["x|y"], "b": [1]})), end="")
    | a | b |
    | --- | --- |
    | x\|y | 1 |
    """
    rows = [list(table.columns), ["---"] * table.shape[1], *table.to_numpy().tolist()]
    lines = [
        "| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def latex(table: pd.DataFrame) -> str:
    """A booktabs tabular; special characters are escaped."""
    rows = [
        " & ".join(str(cell).translate(_LATEX) for cell in row) + r" \\"
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
