"""Figures of an ablation: differences as a forest, learning curves side by side."""

import math
from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from icl_mlflow.analysis import style
from icl_mlflow.analysis.ablation.decision import SMALLEST_OF_INTEREST
from icl_mlflow.analysis.ablation.grid import heat_maps, labels
from icl_mlflow.analysis.sentences import band_meaning
from icl_mlflow.estimators.ceilings import Ceilings
from icl_mlflow.statistics import order_interval

#: What the names of the heat maps of a grid begin with; the variant follows.
HEAT_MAP = "heat_map"

_COLUMNS = 4
_LINE_HEIGHT = 0.34

_COLOURS = {
    "hurt": style.RED,
    "helped": style.GREEN,
    "unaffected": style.BLUE,
    "undecided": style.GREY,
    "plateau": style.ORANGE,
    "cannot": style.PURPLE,
    "impossible": "black",
    "other problem": style.SKY,
}


def drawn(
    table: pd.DataFrame,
    history: pd.DataFrame,
    ceilings: Mapping[str, Ceilings],
    title: str,
    axes: Mapping[str, Sequence[object]] | None = None,
) -> dict[str, Figure]:
    """Every figure of an ablation by name.

    Args:
        table: of `ablation.measure`, with the columns of `verdict.with_verdicts`.
        history: one row a variant, seed and epoch; in a grid, by the labels of rows.
        ceilings: by variant; in a grid, by label.
        title: above each figure.
        axes: of the grid, if there is one, name to values.
    """
    if axes:
        return _of_grid(table, history, ceilings, title, axes)
    found = {
        "differences": forest(table, title),
        "learning_curves": small_multiples(history, ceilings, title),
    }
    for name in table["variant"]:
        rows = history[history["variant"] == name]
        found[f"learning_curve-{name}"] = one_variant(
            rows, ceilings[name], f"{title}: {name}"
        )
    return found


def _of_grid(
    table: pd.DataFrame,
    history: pd.DataFrame,
    ceilings: Mapping[str, Ceilings],
    title: str,
    axes: Mapping[str, Sequence[object]],
) -> dict[str, Figure]:
    """A heat map of every variant, and the cells side by side."""
    found = {
        f"{HEAT_MAP}-{name}": heat_maps(
            table[table["variant"] == name], axes, f"{title}: {name}"
        )
        for name in table["variant"].unique()
    }
    if "difference" in table:
        found["differences"] = forest(table.assign(variant=labels(table)), title)
    found["learning_curves"] = small_multiples(history, ceilings, title)
    return found


def forest(table: pd.DataFrame, title: str) -> Figure:
    """Excess risk over the own ceiling minus the baseline's: every seed, by variant.

    The band around 0 holds the differences that count as none.

    Args:
        table: of `ablation.measure`, with the columns of `verdict.with_verdicts`.
        title: above the figure.
    """
    rows = table[table["difference"].notna()] if "difference" in table else table[:0]
    drawn = Figure(figsize=(9.5, 1.7 + _LINE_HEIGHT * len(rows)), layout="constrained")
    axes = drawn.subplots()
    axes.axvline(0, color="black", linewidth=1)
    near = (-SMALLEST_OF_INTEREST, SMALLEST_OF_INTEREST)
    axes.axvspan(*near, color=style.GREY, alpha=0.12, lw=0)
    for height, (_, row) in enumerate(rows[::-1].iterrows()):
        color = _COLOURS[row["verdict"]]
        each = [float(one) for one in str(row["each_difference"]).split()]
        axes.plot(each, [height] * len(each), "o", color=color, alpha=0.45, ms=5)
        axes.plot(row["difference"], height, "|", color=color, ms=16, mew=2.5)
    axes.set_yticks(
        range(len(rows)),
        [f"{r['variant']}  ({r['verdict']})" for _, r in rows[::-1].iterrows()],
    )
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlabel(
        "excess risk over the variant's own ceiling, minus the baseline's (nats)\n"
        f"dots: seeds; bars: their means; grey: within {SMALLEST_OF_INTEREST}, "
        "which counts as none"
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, axis="x", alpha=0.25, linewidth=0.6)
    drawn.suptitle(title, fontsize="medium")
    return drawn


def small_multiples(
    history: pd.DataFrame, ceilings: Mapping[str, Ceilings], title: str
) -> Figure:
    """Validation accuracy of every variant against the epoch, on common axes."""
    variants = [name for name in ceilings if name in set(history["variant"])]
    n_columns = min(_COLUMNS, len(variants))
    n_rows = -(-len(variants) // n_columns)
    drawn, panels = style.figure(n_rows, n_columns, panel=(3.3, 2.7))
    limits = _limits(history, [ceilings[name] for name in variants])
    for axes, name in zip(panels, variants, strict=False):
        curve(axes, history[history["variant"] == name], ceilings[name])
        axes.set_title(name, fontsize="small")
        axes.set_ylim(limits)
    for axes in panels[len(variants) :]:
        axes.set_visible(False)
    for axes in panels[: len(variants) : n_columns]:
        axes.set_ylabel("validation accuracy")
    for axes in panels[len(variants) - n_columns : len(variants)]:
        axes.set_xlabel("epoch")
    handles, labels = panels[0].get_legend_handles_labels()
    drawn.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    drawn.suptitle(title)
    return drawn


def one_variant(history: pd.DataFrame, found: Ceilings, title: str) -> Figure:
    """Training and validation accuracy of one variant against the epoch."""
    drawn, (axes,) = style.figure(panel=(5.8, 4.2))
    seeds(axes, history, "train/accuracy", "training", style.TRAINING)
    curve(axes, history, found)
    axes.set(xlabel="epoch", ylabel="accuracy", title=title)
    axes.set_ylim(_limits(history, [found], ("train/accuracy", "val/accuracy")))
    axes.legend(fontsize="x-small", loc="best", framealpha=0.9)
    return drawn


def _limits(
    history: pd.DataFrame,
    ceilings: Sequence[Ceilings],
    columns: Sequence[str] = ("val/accuracy",),
) -> tuple[float, float]:
    """The limits of the axis: around chance, every ceiling and every seed."""
    tops = [c.accuracy for found in ceilings for c in (found.shown, found.ideal)]
    tops = [top for top in tops if not math.isnan(top)]
    ends = [end for name in columns for end in history[name].agg(["min", "max"])]
    shown = [*(found.shown.chance.accuracy for found in ceilings), *tops, *ends]
    margin = 0.06 * (max(shown) - min(shown)) + 0.005
    return min(shown) - margin, max(shown) + margin


def curve(axes: Axes, history: pd.DataFrame, found: Ceilings) -> None:
    """Validation accuracy of every seed, their median with its band, both ceilings."""
    seeds(axes, history, "val/accuracy", "validation", style.MODEL)
    lines = {"information shown": found.shown, "ideal learner": found.ideal}
    looks = {"information shown": ("--", style.BAYES), "ideal learner": (":", "black")}
    for name, ceiling in lines.items():
        if ceiling.kind == "unknown":
            continue
        line, color = looks[name]
        axes.axhline(ceiling.accuracy, color=color, linestyle=line, lw=1.2, label=name)
    chance = found.shown.chance.accuracy
    axes.axhline(chance, color=style.CHANCE, linestyle="-.", lw=1.0, label="chance")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def seeds(
    axes: Axes, history: pd.DataFrame, column: str, label: str, color: str
) -> None:
    """Every seed as a thin line, and their median with its band, against the epoch."""
    n_seeds = history["seed"].nunique()
    for _, seed in history.groupby("seed"):
        axes.plot(seed["epoch"], seed[column], color=color, alpha=0.35, lw=0.8)
    by_epoch = history.groupby("epoch")[column]
    median = by_epoch.median()
    of_seeds = "median of seeds" if n_seeds > 1 else "the one seed"
    axes.plot(median.index, median, color=color, lw=1.8, label=f"{label}: {of_seeds}")
    if n_seeds > 1:
        intervals = [order_interval(values.to_numpy()) for _, values in by_epoch]
        axes.fill_between(
            median.index,
            [interval.low for interval in intervals],
            [interval.high for interval in intervals],
            color=color,
            alpha=0.18,
            lw=0,
            label=f"{label}: {band_meaning(n_seeds)}",
        )
