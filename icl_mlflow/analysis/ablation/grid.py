"""A grid of settings: how far is each cell's model from the cell's own exact Bayes?

Every cell is another problem or another training, so accuracies of two cells compare
only beside what exact Bayes reaches in each; the excess risk compares as it is.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from icl_mlflow.analysis import style
from icl_mlflow.analysis.sentences import seeds_phrase
from icl_mlflow.statistics import Interval

#: The column with the name of a cell, in a table of several.
CELL = "cell"
_BASELINE = "baseline"

#: Of each panel: column, title, colours, the lowest end of their scale.
_PANELS = (
    ("accuracy", "model: accuracy", "Blues", 0.5),
    ("bayes_accuracy", "exact Bayes: accuracy", "Greens", 0.5),
    ("excess_risk", "excess risk over exact Bayes (nats)", "Oranges", 0.0),
)
_ACCURACIES = ("accuracy", "bayes_accuracy")
#: The least that a colour scale spans.
_LEAST_SPAN = 0.01
#: Inches of a cell, and of what stands around the cells of a panel.
_WIDE, _HIGH, _MARGIN = 0.95, 0.6, 1.7


def labels(table: pd.DataFrame) -> list[str]:
    """What each row is called: its variant; in a grid its cell, and the variant.

    The baseline of a cell is called as the cell is.

    Args:
        table: with the columns ``variant`` and, of a grid, ``cell``.
    """
    variants = [str(name) for name in table["variant"]]
    if CELL not in table:
        return variants
    return [
        str(cell) if name == _BASELINE else f"{cell}, {name}"
        for cell, name in zip(table[CELL], variants, strict=True)
    ]


def sentences(table: pd.DataFrame) -> dict[str, str]:
    """A sentence for each row of a grid, by its label."""
    rows = table.to_dict("records")
    return {
        label: f"{_beside_bayes(row)}; {row['sentence']}"
        for label, row in zip(labels(table), rows, strict=True)
    }


def headline(table: pd.DataFrame) -> str:
    """Where in the grid the baseline is nearest to exact Bayes, and where farthest."""
    own = table[table["is_baseline"].astype(bool)]
    if own.empty:
        return "No cell has a baseline"
    rows = own.sort_values("excess_risk").to_dict("records")
    near, far = (
        f"{r['excess_risk']:.4f} nats at {r[CELL]}" for r in (rows[0], rows[-1])
    )
    return f"Over the exact Bayes of each of {len(own)} cells: from {near} to {far}"


def heat_maps(
    table: pd.DataFrame, axes: Mapping[str, Sequence[object]], title: str
) -> Figure:
    """Accuracy, exact Bayes and excess risk in every cell of a grid.

    The first axis runs down, the second across; each combination of the others has a
    row of panels. Below an excess risk stands how many of the seeds took off, if not
    all did.

    Args:
        table: the rows of one variant.
        axes: name to values, in order.
        title: above the figure.
    """
    down, across, others = _sides(axes)
    parts = _parts(table, others)
    n_down = len(axes[down]) if down else 1
    panel = (_WIDE * len(axes[across]) + _MARGIN, _HIGH * n_down + _MARGIN)
    drawn, panels = style.figure(len(parts), len(_PANELS), panel=panel)
    for index, (name, part) in enumerate(parts):
        for (column, what, colors, lowest), each in zip(
            _PANELS, panels[index * len(_PANELS) :], strict=False
        ):
            values = _square(part, column, down, across, axes)
            texts = _square(_shown(part, column), column, down, across, axes)
            highest = _highest(table, column, lowest)
            _paint(each, values, texts, colors, (lowest, highest))
            style.title(each, "\n".join(filter(None, [what, name])))
    style.heading(drawn, title)
    return drawn


def _highest(table: pd.DataFrame, column: str, lowest: float) -> float:
    """The upper end of a column's colours; accuracies share theirs with exact Bayes."""
    alike = list(_ACCURACIES) if column in _ACCURACIES else [column]
    return max(float(table[alike].max().max()), lowest + _LEAST_SPAN)


def _sides(axes: Mapping[str, Sequence[object]]) -> tuple[str, str, list[str]]:
    """The axes that run down and across, and the others; empty for none."""
    first, *rest = axes
    if not rest:
        return "", first, []
    return first, rest[0], rest[1:]


def _parts(
    table: pd.DataFrame, others: Sequence[str]
) -> list[tuple[str, pd.DataFrame]]:
    """The rows of each combination of these axes, with its name."""
    if not others:
        return [("", table)]
    found = []
    for values, part in table.groupby(list(others), sort=False):
        where = zip(others, values, strict=True)
        found.append((" ".join(f"{name}={_short(v)}" for name, v in where), part))
    return found


def _square(
    part: pd.DataFrame,
    column: str,
    down: str,
    across: str,
    axes: Mapping[str, Sequence[object]],
) -> pd.DataFrame:
    """A column as a rectangle; empty where a cell has no run."""
    index = down or CELL
    rows = part if down else part.assign(**{CELL: ""})
    square = rows.pivot_table(
        index=index, columns=across, values=column, aggfunc="first", sort=False
    )
    wanted = list(axes[down]) if down else [""]
    return square.reindex(index=wanted, columns=list(axes[across]))


def _shown(part: pd.DataFrame, column: str) -> pd.DataFrame:
    """The texts of the cells in place of a column's values."""
    texts = [f"{value:.4f}" for value in part[column]]
    if column == "excess_risk":
        shares = zip(texts, part["took_off"], part["n_seeds"], strict=True)
        texts = [
            text if took_off == n else f"{text}\n{took_off}/{n} took off"
            for text, took_off, n in shares
        ]
    return part.assign(**{column: texts})


def _paint(
    axes: Axes,
    values: pd.DataFrame,
    texts: pd.DataFrame,
    colors: str,
    ends: tuple[float, float],
) -> None:
    axes.grid(visible=False)
    sns.heatmap(
        values.astype(float),
        annot=texts.astype(object).where(texts.notna(), "").to_numpy(),
        annot_kws={"size": style.SMALL},
        fmt="",
        vmin=ends[0],
        vmax=ends[1],
        cmap=colors,
        linewidths=1,
        ax=axes,
    )
    axes.set_xticklabels([_short(value) for value in values.columns])
    axes.set_yticklabels([_short(value) for value in values.index], rotation=0)
    if values.index.name == CELL:
        axes.set(ylabel="", yticks=[])


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _beside_bayes(row: Mapping[Any, Any]) -> str:
    ends = (row["accuracy_low"], row["accuracy_high"])
    interval = Interval(row["accuracy"], *ends, n=row["n_seeds"])
    return (
        f"accuracy {interval.mean:.4f} ({seeds_phrase(interval)}), exact Bayes "
        f"{row['bayes_accuracy']:.4f}"
    )
