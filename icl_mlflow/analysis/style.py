"""The style of every figure: one palette that colour-blind readers can tell apart."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

if TYPE_CHECKING:
    from matplotlib.artist import Artist

# Okabe and Ito's palette (https://jfly.uni-koeln.de/color/).
BLUE: Final = "#0072B2"
ORANGE: Final = "#E69F00"
GREEN: Final = "#009E73"
RED: Final = "#D55E00"
PURPLE: Final = "#CC79A7"
SKY: Final = "#56B4E9"
GREY: Final = "#555555"
CYCLE: Final = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY, GREY)

#: Sizes of text in points, the same in every figure: above all panels, above one, of
#: axes, and of ticks and legends.
_HEADING, _TITLE, _LABEL, SMALL = 11.0, 10.0, 9.0, 8.5

#: Dots an inch of what is a picture within vector graphics.
_RASTER = 300

#: The same thing has the same colour in every figure.
MODEL, TRAINING, BAYES, ORACLE, CHANCE = BLUE, ORANGE, GREEN, RED, GREY


def figure(
    n_rows: int = 1, n_columns: int = 1, *, panel: tuple[float, float] = (5.0, 4.0)
) -> tuple[Figure, list[Axes]]:
    """A figure of equal panels, row by row, each ``panel`` inches wide and high."""
    drawn = Figure(
        figsize=(panel[0] * n_columns, panel[1] * n_rows), layout="constrained"
    )
    grid = np.atleast_1d(drawn.subplots(n_rows, n_columns)).ravel()
    panels: list[Axes] = list(grid)
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(visible=True, alpha=0.25, linewidth=0.6)
        axes.set_axisbelow(True)
        for axis in (axes.xaxis, axes.yaxis):
            axis.label.set_fontsize(_LABEL)
        axes.tick_params(labelsize=SMALL)
    return drawn, panels


def small_multiples(
    n_panels: int, *, panel: tuple[float, float] = (5.0, 4.0), most_columns: int = 3
) -> tuple[Figure, list[Axes]]:
    """A figure of ``n_panels`` equal panels in rows of at most ``most_columns``."""
    n_columns = min(n_panels, most_columns)
    n_rows = -(-n_panels // n_columns)
    drawn, panels = figure(n_rows, n_columns, panel=panel)
    for spare in panels[n_panels:]:
        spare.remove()
    return drawn, panels[:n_panels]


def heading(figure: Figure, text: str) -> None:
    """What stands above all panels."""
    figure.suptitle(text, fontsize=_HEADING)


def title(axes: Axes, text: str) -> None:
    """What stands above one panel."""
    axes.set_title(text, fontsize=_TITLE)


def legend(axes: Axes, **how: Any) -> None:
    """What is shown in one panel.

    Args:
        axes: of the panel.
        how: as ``Axes.legend`` takes it, such as ``loc``.
    """
    axes.legend(fontsize=SMALL, title_fontsize=SMALL, framealpha=0.9, **how)


def legend_below(figure: Figure, panels: Sequence[Axes], most_columns: int = 4) -> None:
    """What all panels show, each once, below them."""
    found: dict[str, Artist] = {}
    for axes in panels:
        handles, labels = axes.get_legend_handles_labels()
        found |= dict(zip(labels, handles, strict=True))
    if found:
        figure.legend(
            list(found.values()),
            list(found),
            loc="outside lower center",
            ncols=min(most_columns, len(found)),
            fontsize=SMALL,
        )


def interval_points(
    axes: Axes,
    places: Sequence[float],
    frame: pd.DataFrame,
    column: str,
    *,
    color: str,
    label: str | None = None,
    marker: str = "o",
    across: bool = False,
) -> None:
    """A point a row with its interval, as error bars.

    Args:
        axes: of a panel.
        places: of each row.
        frame: with ``column`` and the ends of its interval, ``_low`` and ``_high``.
        column: what is drawn.
        color: of points and bars.
        label: in the legend.
        marker: of the points.
        across: values along the horizontal axis, and places along the vertical one.
    """
    value = frame[column]
    # An ECE may lie above its interval, which chance's share was taken off.
    ends = [
        (value - frame[f"{column}_low"]).clip(lower=0),
        (frame[f"{column}_high"] - value).clip(lower=0),
    ]
    x, y = (value, places) if across else (places, value)
    axes.errorbar(
        x,
        y,
        xerr=ends if across else None,
        yerr=None if across else ends,
        color=color,
        marker=marker,
        markersize=4,
        linestyle="none",
        elinewidth=1,
        capsize=2,
        label=label,
    )


def save(figure: Figure, file: Path) -> None:
    """Write a figure as vector graphics, by the ending of the file: .pdf or .svg.

    A PDF holds its text as text in TrueType fonts, as journals ask for; an SVG holds
    outlines, and looks the same everywhere. The same figure gives the same bytes.
    Clouds of points are a picture within it.
    """
    undated = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}}
    with matplotlib.rc_context({"pdf.fonttype": 42, "svg.hashsalt": "icl-mlflow"}):
        figure.savefig(file, dpi=_RASTER, metadata=undated[file.suffix])


def logarithmic(axes: Axes, axis: str, near_zero: float | None = None) -> None:
    """Make an axis logarithmic, with numbers that people read: 0.02, never 2 x 10^-2.

    Args:
        axes: of a panel.
        axis: ``x`` or ``y``.
        near_zero: below it the axis is linear, so that 0 has a place; None without.
    """
    scaled = getattr(axes, f"{axis}axis")
    set_scale = getattr(axes, f"set_{axis}scale")
    if near_zero is None:
        set_scale("log")
        scaled.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=12))
    else:
        set_scale("symlog", linthresh=near_zero)
    scaled.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    scaled.set_minor_formatter(NullFormatter())
