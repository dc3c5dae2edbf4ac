"""The frontier as people read it: a Markdown table and a figure."""

import datetime
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.ticker import LogLocator

from benchmarks.frontier.alternatives import PUBLISHED
from benchmarks.frontier.log import Made
from benchmarks.frontier.recipes import COMPARED, RECIPES
from benchmarks.machine import versions
from benchmarks.table import NONE, Table
from icl_mlflow.analysis import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure


_PUBLISHED_EPISODES = 1_000_000

_CAPTIONS = {
    "frontier.png": "Excess risk against episodes and seconds",
    "recipes.png": "Excess risk of every recipe after the same number of episodes",
}

#: One colour and one mark a recipe, in the order of their first appearance.
_MARKS = "osD^vP<>Xh"


def write_report(made: Sequence[Made], folder: Path) -> Iterator[Path]:
    """Write ``frontier.md`` and its figures, and say where they are."""
    if not made:
        return
    order = list(RECIPES)
    by_recipe = sorted(
        made, key=lambda one: (order.index(one.recipe), one.budget, one.seed)
    )
    frame = pd.DataFrame(by_recipe)
    figures = {"frontier.png": draw(frame)}
    if (frame["budget"] == COMPARED).any():
        figures["recipes.png"] = draw_compared(frame)
    text = folder / "frontier.md"
    text.write_text(_page(frame, list(figures)), encoding="utf-8")
    yield text
    for name, figure in figures.items():
        figure.savefig(folder / name, dpi=150)
        yield folder / name


def _page(frame: pd.DataFrame, pictures: Sequence[str]) -> str:
    processors = ", ".join(sorted(frame["processor"].unique()))
    packages = ", ".join(f"{name} {number}" for name, number in versions().items())
    today = datetime.datetime.now(tz=datetime.UTC).date()
    return "\n".join(
        [
            "# Time to quality",
            "",
            "Excess risk over the exact Bayes predictor on 20 000 fixed test episodes;",
            "processor seconds of training and validation on one core of",
            f"{_timed_on(frame)}, where it was trained there.",
            "",
            "- command: `python -m benchmarks.frontier`",
            f"- written: {today}",
            f"- trained on: {processors}",
            f"- versions: {packages}",
            "",
            *(f"![{_CAPTIONS[name]}]({name})\n" for name in pictures),
            "What a recipe is called is what it changes of `one query`; `efficient` is",
            "that with 16 queries to each of 16 episodes a step.",
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
        seconds = group[group["processor"] == _timed_on(frame)]["seconds"]
        rows.append(
            (
                f"{recipe}",
                f"{budget:,}".replace(",", " "),
                f"{nats.median():.4f}",
                f"{nats.min():.4f} to {nats.max():.4f}",
                f"{int((nats <= PUBLISHED[task]).sum())} of {len(nats)}",
                f"{seconds.median():.0f}" if len(seconds) else NONE,
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
    """Nats against episodes (above) and seconds (below), one column a task.

    Recipes that were tried with the one number of episodes of `draw_compared` alone are
    there.
    """
    tasks = sorted(frame["task"].unique())
    figure, panels = style.figure(2, len(tasks), panel=(5.6, 4.2))
    others = frame[frame["budget"] != COMPARED]
    recipes = list(others["recipe"].unique()) or list(frame["recipe"].unique())
    for column, task in enumerate(tasks):
        mine = frame[frame["task"] == task]
        for row, across in enumerate(("episodes", "seconds")):
            axes = panels[row * len(tasks) + column]
            is_shown = (across == "episodes") | (mine["processor"] == _timed_on(frame))
            for index, recipe in enumerate(recipes):
                shown = mine[is_shown & (mine["recipe"] == recipe)]
                _recipe(axes, shown, across, recipe, index)
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
            _plain_numbers(axes.xaxis, "{x:,.0f}")
            _plain_numbers(axes.yaxis, "{x:g}")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    return figure


def draw_compared(frame: pd.DataFrame) -> "Figure":
    """Every recipe with the same number of episodes: each seed, and their median."""
    mine = frame[frame["budget"] == COMPARED]
    tasks = sorted(mine["task"].unique())
    recipes = [recipe for recipe in RECIPES if recipe in set(mine["recipe"])]
    height = 1.2 + 0.27 * len(recipes)
    figure, panels = style.figure(1, len(tasks), panel=(5.6, height))
    for axes, task in zip(panels, tasks, strict=True):
        for row, recipe in enumerate(recipes):
            nats = mine[(mine["recipe"] == recipe) & (mine["task"] == task)][
                "excess_risk"
            ]
            axes.plot(nats, [row] * len(nats), "o", color=style.SKY, markersize=5)
            axes.plot(nats.median(), row, "|", color=style.BLUE, markersize=14, mew=2.5)
        plain = mine[(mine["recipe"] == "one query") & (mine["task"] == task)]
        axes.axvline(
            plain["excess_risk"].median(), color=style.GREY, linestyle=":", linewidth=1
        )
        axes.set(
            xscale="log",
            xlabel=f"excess risk (nats) after {COMPARED:,} episodes".replace(",", " "),
            title=f"Task {task}",
        )
        axes.set_yticks(range(len(recipes)), recipes)
        axes.set_ylim(len(recipes) - 0.5, -0.5)
        _plain_numbers(axes.xaxis, "{x:g}")
    for axes in panels[1:]:
        axes.tick_params(axis="y", labelleft=False)
    return figure


def _timed_on(frame: pd.DataFrame) -> str:
    """The processor with the most trainings: only its seconds are compared."""
    return str(frame["processor"].mode()[0])


def _plain_numbers(axis: "Axis", form: str) -> None:
    """1, 2 and 5 of each decade of a logarithmic axis, written out."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(form)
    axis.set_minor_formatter("")


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
