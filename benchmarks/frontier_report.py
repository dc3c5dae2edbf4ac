"""The frontier as people read it: a Markdown table and a figure."""

import datetime
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from benchmarks.machine import this_machine, versions
from benchmarks.table import Table
from icl_mlflow.analysis import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from benchmarks.frontier import Made

#: The lowest excess risk of the checkpoints published with arXiv 2603.10573, in nats:
#: one million episodes each.
PUBLISHED = {"A": 0.0128, "B": 0.0072}
_PUBLISHED_EPISODES = 1_000_000

#: One colour and one mark a recipe, in the order of their first appearance.
_MARKS = "osD^vP<>Xh"


def write_report(made: Sequence["Made"], folder: Path) -> Iterator[Path]:
    """Write ``frontier.md`` and ``frontier.png`` and say where they are."""
    if not made:
        return
    frame = pd.DataFrame(made)
    text, picture = folder / "frontier.md", folder / "frontier.png"
    text.write_text(_page(frame), encoding="utf-8")
    yield text
    draw(frame).savefig(picture, dpi=150)
    yield picture


def _page(frame: pd.DataFrame) -> str:
    machine = this_machine()
    packages = ", ".join(f"{name} {number}" for name, number in versions().items())
    today = datetime.datetime.now(tz=datetime.UTC).date()
    return "\n".join(
        [
            "# Time to quality",
            "",
            "Excess risk over the exact Bayes predictor on 20 000 fixed test episodes;",
            "processor seconds of training and validation on one core.",
            "",
            "- command: `python -m benchmarks.frontier`",
            f"- written: {today}",
            f"- machine: {machine.processor}, {machine.cores} cores",
            f"- versions: {packages}",
            "",
            "![The frontier](frontier.png)",
            "",
            *(
                _table(frame, task).markdown()
                for task in sorted(frame["task"].unique())
            ),
        ]
    )


def _table(frame: pd.DataFrame, task: str) -> Table:
    """One row a recipe and budget: median and range over seeds."""
    rows = []
    mine = frame[frame["task"] == task]
    for (recipe, budget), group in mine.groupby(["recipe", "budget"], sort=False):
        nats = group["excess_risk"]
        rows.append(
            (
                f"{recipe}",
                f"{budget:,}".replace(",", " "),
                f"{nats.median():.4f}",
                f"{nats.min():.4f} to {nats.max():.4f}",
                f"{int((nats <= PUBLISHED[task]).sum())} of {len(nats)}",
                f"{statistics.median(group['seconds']):.0f}",
            )
        )
    return Table(
        title=f"Task {task}",
        columns=(
            "recipe",
            "episodes",
            "nats, median",
            "range over seeds",
            "beat the published",
            "seconds, median",
        ),
        rows=rows,
        note=(
            f"The best published model has {PUBLISHED[task]} nats after "
            "1 000 000 episodes."
        ),
    )


def draw(frame: pd.DataFrame) -> "Figure":
    """Nats against episodes (above) and seconds (below), one column a task."""
    tasks = sorted(frame["task"].unique())
    figure, panels = style.figure(2, len(tasks), panel=(5.6, 4.2))
    recipes = list(dict.fromkeys(frame["recipe"]))
    for column, task in enumerate(tasks):
        mine = frame[frame["task"] == task]
        for row, across in enumerate(("episodes", "seconds")):
            axes = panels[row * len(tasks) + column]
            for index, recipe in enumerate(recipes):
                _recipe(axes, mine[mine["recipe"] == recipe], across, recipe, index)
            _published(axes, task, across)
            unit = {
                "episodes": "training episodes",
                "seconds": "processor seconds on one core",
            }
            axes.set(
                xscale="log",
                yscale="log",
                xlabel=unit[across],
                ylabel="excess risk (nats)",
                title=f"Task {task}",
            )
            axes.xaxis.set_major_formatter("{x:,.0f}")
            axes.xaxis.set_minor_formatter("")
            axes.yaxis.set_major_formatter("{x:g}")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    return figure


def _recipe(
    axes: "Axes", mine: pd.DataFrame, across: str, label: str, index: int
) -> None:
    """Median over seeds at every budget; their whole range as a band or a bar."""
    if mine.empty:
        return
    by_budget = mine.groupby("budget")
    x = by_budget[across].median()
    nats = by_budget["excess_risk"]
    colour = style.CYCLE[index % len(style.CYCLE)]
    mark = _MARKS[index % len(_MARKS)]
    axes.plot(x, nats.median(), marker=mark, color=colour, label=label)
    if len(x) > 1:
        axes.fill_between(x, nats.min(), nats.max(), color=colour, alpha=0.2)
    else:
        axes.vlines(x, nats.min(), nats.max(), color=colour, linewidth=1.2)


def _published(axes: "Axes", task: str, across: str) -> None:
    label = "best published model"
    if across == "episodes":
        axes.plot(
            _PUBLISHED_EPISODES,
            PUBLISHED[task],
            marker="*",
            markersize=12,
            linestyle="none",
            color="black",
            label=label,
        )
    axes.axhline(PUBLISHED[task], color="black", linestyle="--", linewidth=0.9)
