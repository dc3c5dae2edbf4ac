"""Figures of memorising and generalising: the phase diagram and the trajectories."""

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from icl_mlflow.analysis import style
from icl_mlflow.analysis.diversity.measure import INSIDE, OUTSIDE
from icl_mlflow.analysis.diversity.rational import rational_fit

#: From generalising (blue) over white to memorising (red).
_SHARES = "RdBu_r"
_POOLS = "viridis"
_SHARE = "memorising share"
#: Risks below it, in nats, are drawn on a linear scale.
_NEAR_ZERO = 0.01


def drawn(table: pd.DataFrame, title: str) -> dict[str, Figure]:
    """Every figure by name.

    Args:
        table: of `icl_mlflow.analysis.diversity.measure.table_of`.
        title: above each.
    """
    return {
        "phase_diagram": phase_diagram(table, title),
        "trajectories": trajectories(table, title),
    }


def phase_diagram(table: pd.DataFrame, title: str) -> Figure:
    """The memorising share by steps and pool, in and out of the pool.

    The median over seeds; the line is one half. Grey: no seed has learned yet, or the
    two Bayes predictors are too near to each other to tell.
    """
    found, panels = style.figure(1, 2, panel=(5.2, 4.2))
    for axes, where in zip(panels, (INSIDE, OUTSIDE), strict=True):
        rows = table[table["where"] == where]
        rows = rows.assign(share=rows["share"].where(rows["learned"]))
        grid = rows.pivot_table(
            index="pool", columns="step", values="share", aggfunc="median", dropna=False
        )
        cells = np.ma.masked_invalid(grid.to_numpy(float))
        axes.set_facecolor("lightgrey")
        axes.grid(visible=False)
        mesh = axes.pcolormesh(cells, cmap=_SHARES, vmin=0, vmax=1)
        if min(cells.shape) > 1:
            places = [np.arange(size) + 0.5 for size in cells.shape[::-1]]
            axes.contour(*places, cells, levels=[0.5], colors="black", linewidths=1.4)
        axes.set_xticks(
            np.arange(len(grid.columns)) + 0.5,
            [f"{step:,}" for step in grid.columns],
            rotation=45,
            ha="right",
        )
        axes.set_yticks(
            np.arange(len(grid.index)) + 0.5, [f"{p:,}" for p in grid.index]
        )
        axes.set_xlabel("steps of training")
        style.title(axes, f"episodes {where}")
    panels[0].set_ylabel("tasks in the pool")
    bar = found.colorbar(mesh, ax=panels, label=_SHARE)
    bar.ax.set_yticks([0, 0.5, 1], ["0: Bayes, prior", "0.5", "1: Bayes, pool"])
    style.heading(found, title)
    return found


def trajectories(table: pd.DataFrame, title: str) -> Figure:
    """Share and risk along training, a line a seed; and the account against the share.

    Args:
        table: as for `drawn`.
        title: above the figure.
    """
    found, panels = style.figure(1, 3, panel=(4.8, 4.0))
    pools = sorted(table["pool"].unique())
    norm = LogNorm(min(pools), max(*pools, 2 * min(pools)))
    colours = matplotlib.colormaps[_POOLS]
    inside, outside = (table[table["where"] == where] for where in (INSIDE, OUTSIDE))
    _lines(panels[0], inside, "share", lambda pool: colours(norm(pool)))
    panels[0].axhline(0.5, color=style.CHANCE, linestyle="-.", linewidth=1)
    panels[0].set(ylabel=f"{_SHARE}, {INSIDE}", ylim=(-0.03, 1.03))
    _lines(panels[1], outside, "excess_risk", lambda pool: colours(norm(pool)))
    panels[1].set(ylabel=f"excess risk, {OUTSIDE} (nats)")
    style.logarithmic(panels[1], "y", near_zero=_NEAR_ZERO)
    steps = sorted(table["step"].unique())
    for axes in panels[:2]:
        style.logarithmic(axes, "x")
        axes.set_xticks(steps, [f"{step:,}" for step in steps], rotation=45, ha="right")
        axes.minorticks_off()
        axes.set_xlabel("steps of training")
    _account(panels[2], table, lambda pool: colours(norm(pool)))
    scale = matplotlib.cm.ScalarMappable(norm, colours)
    bar = found.colorbar(scale, ax=panels, label="tasks in the pool")
    bar.ax.minorticks_off()
    bar.set_ticks(pools, labels=[f"{pool:,}" for pool in pools])
    style.heading(found, title)
    return found


def _lines(axes: Axes, rows: pd.DataFrame, column: str, colour_of: object) -> None:
    assert callable(colour_of)
    for (pool, _), part in rows.groupby(["pool", "seed"]):
        ordered = part.sort_values("step")
        look = {"color": colour_of(pool), "marker": ".", "linewidth": 1}
        axes.plot(ordered["step"], ordered[column], **look)


def _account(axes: Axes, table: pd.DataFrame, colour_of: object) -> None:
    """Predicted against measured share, and their correlation."""
    assert callable(colour_of)
    axes.plot([0, 1], [0, 1], color=style.GREY, linewidth=1)
    axes.set(
        xlabel=f"{_SHARE}, predicted", ylabel=f"{_SHARE}, {INSIDE}",
        xlim=(-0.03, 1.03), ylim=(-0.03, 1.03),
    )  # fmt: skip
    fit = rational_fit(table)
    if fit is None:
        axes.text(0.5, 0.5, "too few to fit", ha="center")
        return
    colours = [colour_of(pool) for pool in fit.table["pool"]]
    axes.scatter(fit.table["predicted"], fit.table["share"], c=colours, s=14)
    style.title(axes, f"gain against complexity: r = {fit.r.mean:.3f}")
