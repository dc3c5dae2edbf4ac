"""The ablations at a glance: differences as a forest, learning curves side by side."""

import math
from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from icl_mlflow.analysis import style
from icl_mlflow.analysis.ablation import SMALLEST_OF_INTEREST
from icl_mlflow.estimators.ceilings import Ceiling
from icl_mlflow.statistics import t_interval

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
}


def forest(table: pd.DataFrame, title: str) -> Figure:
    """Excess risk minus the baseline's, with t intervals over seeds, by variant.

    The band around 0 holds the differences that count as none.

    Args:
        table: of `ablation.measure`, with the columns of `verdict.with_verdicts`.
        title: above the figure.
    """
    rows = table[table["difference"].notna()] if "difference" in table else table[:0]
    drawn = Figure(figsize=(9.5, 1.5 + _LINE_HEIGHT * len(rows)), layout="constrained")
    axes = drawn.subplots()
    axes.axvline(0, color="black", linewidth=1)
    axes.axvspan(
        -SMALLEST_OF_INTEREST, SMALLEST_OF_INTEREST, color=style.GREY, alpha=0.12, lw=0
    )
    for height, (_, row) in enumerate(rows[::-1].iterrows()):
        color = _COLOURS[row["verdict"]]
        if math.isfinite(row["difference_low"]):
            ends = [row["difference_low"], row["difference_high"]]
            axes.plot(ends, [height, height], color=color, linewidth=2)
        axes.plot(row["difference"], height, "o", color=color, markersize=6)
    axes.set_yticks(
        range(len(rows)),
        [f"{r['variant']}  ({r['verdict']})" for _, r in rows[::-1].iterrows()],
    )
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlabel(
        "excess risk minus the baseline's (nats): mean and 95 % t interval over seeds"
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, axis="x", alpha=0.25, linewidth=0.6)
    axes.set_title(title, fontsize="medium")
    return drawn


def small_multiples(
    history: pd.DataFrame, ceilings: Mapping[str, Ceiling], title: str
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


def one_variant(history: pd.DataFrame, ceiling: Ceiling, title: str) -> Figure:
    """Validation accuracy of one variant against the epoch."""
    drawn, (axes,) = style.figure(panel=(5.4, 4.0))
    curve(axes, history, ceiling)
    axes.set(xlabel="epoch", ylabel="validation accuracy", title=title)
    axes.set_ylim(_limits(history, [ceiling]))
    axes.legend(fontsize="small", loc="lower right")
    return drawn


def _limits(history: pd.DataFrame, ceilings: Sequence[Ceiling]) -> tuple[float, float]:
    """Around chance, every ceiling and every seed; the t band of few may leave them."""
    tops = [one.accuracy for one in ceilings if one.kind != "unknown"]
    shown = [0.5, *tops, history["val/accuracy"].min(), history["val/accuracy"].max()]
    margin = 0.06 * (max(shown) - min(shown)) + 0.005
    return min(shown) - margin, max(shown) + margin


def curve(axes: Axes, history: pd.DataFrame, ceiling: Ceiling) -> None:
    """Every seed as a thin line, their mean with a t band, and the ceiling."""
    for _, seed in history.groupby("seed"):
        axes.plot(
            seed["epoch"], seed["val/accuracy"], color=style.MODEL, alpha=0.35, lw=0.8
        )
    epochs, means, low, high = [], [], [], []
    for epoch, group in history.groupby("epoch"):
        interval = t_interval(group["val/accuracy"].to_numpy())
        epochs.append(float(str(epoch)))
        means.append(interval.mean)
        low.append(interval.low)
        high.append(interval.high)
    axes.plot(epochs, means, color=style.MODEL, lw=1.8, label="mean over seeds")
    axes.fill_between(epochs, low, high, color=style.MODEL, alpha=0.18, lw=0)
    if ceiling.kind != "unknown":
        top, colour = ceiling.accuracy, style.BAYES
        axes.axhline(top, color=colour, linestyle="--", lw=1.2, label="ceiling")
    axes.axhline(0.5, color=style.CHANCE, linestyle=":", lw=1.2, label="chance")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
