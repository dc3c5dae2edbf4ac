"""The reproduction at a glance: the table as a figure, and every learning curve."""

import math
from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from icl_mlflow.analysis import style
from icl_mlflow.analysis.ablation import figures
from icl_mlflow.reproduction.course import Course
from icl_mlflow.reproduction.judgement import Kind
from icl_mlflow.reproduction.paper import SHIFT, PublishedAccuracy
from icl_mlflow.reproduction.table import LAST, LEAK, Row

_COLUMNS = 4
_LINE_HEIGHT = 0.42
_CHANCE = 0.5
#: All panels of learning curves reach as far, but for those that fall below chance.
_FLOOR, _TOP = 0.46, 0.88
#: Of a row, how far apart the paper's mark and ours are drawn.
_APART = 0.16
_WORDS = {
    Kind.REPRODUCED: style.GREEN,
    Kind.DIFFERS: style.RED,
    Kind.UNDECIDED: style.GREY,
    Kind.MISSING: style.GREY,
    Kind.BESIDE: style.GREY,
}


def forest(rows: Sequence[Row], title: str) -> Figure:
    """The paper's intervals, our seeds and exact Bayes, a line an experiment."""
    drawn, (axes,) = style.figure(panel=(9.6, 2.0 + _LINE_HEIGHT * len(rows)))
    axes.grid(visible=False, axis="y")
    axes.axvline(_CHANCE, color=style.CHANCE, linestyle="-.", lw=1, label="chance")
    for height, row in enumerate(reversed(rows)):
        _line(axes, row, height, is_first=height == 0)
    axes.set_yticks(range(len(rows)), [_label(row) for row in reversed(rows)])
    for label, row in zip(axes.get_yticklabels(), reversed(rows), strict=True):
        label.set_color(_WORDS[row.judgement.kind])
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlabel("validation accuracy")
    style.legend_below(drawn, [axes], most_columns=3)
    style.heading(drawn, title)
    return drawn


def _line(axes: Axes, row: Row, height: int, *, is_first: bool) -> None:
    """One experiment: above, the paper; below, ours."""

    def once(label: str) -> str:
        return label if is_first else "_nolegend_"

    published, values = row.published, list(row.accuracies.values())
    axes.errorbar(
        published.mean,
        height + _APART,
        xerr=published.half_width,
        color=style.ORANGE,
        marker="D",
        markersize=5,
        capsize=3,
        linestyle="none",
        label=once("paper, 1.96 standard errors"),
    )
    # Empty lines too, so that the legend does not depend on what has finished.
    axes.plot(
        values,
        [height - _APART] * len(values),
        "o",
        color=style.MODEL,
        alpha=0.55,
        ms=5,
        label=once("ours, each seed"),
    )
    mean = [row.interval.mean] if row.interval else []
    axes.plot(
        mean,
        [height - _APART] * len(mean),
        "|",
        color=style.MODEL,
        ms=14,
        mew=2.5,
        label=once("ours, mean"),
    )
    axes.plot(
        row.bayes,
        height,
        "^",
        color=style.BAYES,
        ms=6,
        label=once("exact Bayes, all that is shown"),
    )
    if not math.isnan(row.ideal) and row.ideal != row.bayes:
        axes.plot(row.ideal, height, "x", color="black", ms=6, mew=1.5)
    axes.plot(
        [], [], "x", color="black", ms=6, label=once("ideal learner of this training")
    )


def _label(row: Row) -> str:
    name = row.published.name
    if row.selection == LAST:
        return f"{name}  ({row.judgement.kind})"
    return f"{name}, {'leak' if row.selection == LEAK else 'honest'} epoch"


def learning_curves(
    rows: Sequence[Row], members: Sequence[Sequence[Course]], title: str
) -> Figure:
    """Training and validation accuracy by epoch, a panel an experiment.

    Args:
        rows: of the last epoch.
        members: of each row.
        title: above the figure.
    """
    drawn, panels = style.small_multiples(
        len(rows), panel=(3.3, 2.7), most_columns=_COLUMNS
    )
    for axes, row, trained in zip(panels, rows, members, strict=True):
        _curves(axes, row, trained)
    for axes in panels[::_COLUMNS]:
        axes.set_ylabel("accuracy")
    for axes in panels[-_COLUMNS:]:
        axes.set_xlabel("epoch")
    style.legend_below(drawn, panels, most_columns=3)
    style.heading(drawn, title)
    return drawn


def _curves(axes: Axes, row: Row, members: Sequence[Course]) -> None:
    name = row.published.name.removeprefix("task_A_ablation_")
    style.title(axes, name)
    axes.axhline(_CHANCE, color=style.CHANCE, linestyle="-.", lw=1.0, label="chance")
    axes.axhline(row.bayes, color=style.BAYES, linestyle="--", lw=1.2, label="Bayes")
    n_epochs = max((len(member.history) for member in members), default=1)
    _paper(axes, row.published, n_epochs)
    if not members:
        axes.text(0.5, 0.5, "missing", transform=axes.transAxes, ha="center")
        axes.set_ylim(_FLOOR, _TOP)
        return
    frames = [member.history.assign(seed=member.seed) for member in members]
    history = pd.concat(frames, ignore_index=True)
    seen = {"training": ("train", style.TRAINING), "validation": ("val", style.MODEL)}
    if row.published.experiment.is_selected_on_shift:
        seen |= {"shifted validation": (SHIFT, style.PURPLE)}
    for label, (where, color) in seen.items():
        column = f"{where}/accuracy"
        if column in history:
            known = history.dropna(subset=[column])
            figures.seeds(axes, known, column, label, color)
    axes.set_ylim(min(_FLOOR, axes.get_ylim()[0]), _TOP)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _paper(axes: Axes, published: PublishedAccuracy, n_epochs: int) -> None:
    """The paper's number, just behind the last epoch."""
    axes.errorbar(
        n_epochs - 1 + 0.04 * n_epochs,
        published.mean,
        yerr=published.half_width,
        color="black",
        marker="D",
        markersize=4,
        capsize=2,
        linestyle="none",
        label="paper, last epoch",
    )
