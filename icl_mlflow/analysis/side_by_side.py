"""Figures of a suite: its variants side by side, on common axes, every seed shown.

A variant is known by the names of its models, which are those of their runs.
"""

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from icl_mlflow.analysis import style

#: Panel to variant to one value a seed.
Numbers = Mapping[str, Mapping[str, Sequence[float]]]

_PANEL = (3.3, 2.7)
_COLUMNS = 4
_LINE_HEIGHT = 0.3
_NAME_HEIGHT = 0.24
#: Below it a logarithmic axis is linear, so that 0 and less have a place.
_NEAR_ZERO = 1e-3


def group_of(model: str) -> str:
    """What the seeds of one variant share: the run's name without its seed.

    >>> group_of("A-baseline-seed2")
    'A-baseline'
    """
    return model.rpartition("-seed")[0] or model


def by_variant(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Variant to its rows, in the order of the models.

    >>> models = ["A-baseline-seed0", "A-no_labels-seed0", "A-baseline-seed1"]
    >>> found = by_variant(pd.DataFrame({"model": models}))
    >>> {name: len(rows) for name, rows in found.items()}
    {'baseline': 2, 'no_labels': 1}
    """
    names = frame["model"].map(group_of)
    tasks = {name.partition("-")[0] for name in names}
    if len(tasks) == 1:  # which need not be said in every panel
        names = names.map(lambda name: name.partition("-")[2] or name)
    groups = frame.groupby(names, sort=False)
    return {str(name): part for name, part in groups}


def panels(
    frame: pd.DataFrame,
    paint: Callable[[Axes, pd.DataFrame], None],
    *,
    xlabel: str,
    ylabel: str,
    names: Sequence[str] = (),
) -> Figure:
    """A panel a variant, all with the same limits; the legend once, below.

    Args:
        frame: of all models, with the column ``model``.
        paint: draws the rows of one variant.
        xlabel: of the panels at the bottom.
        ylabel: of the panels at the left.
        names: the lines of every panel from the top, as `seed_marks` has them; said at
            the left alone. Without them the vertical axis has numbers.
    """
    groups = by_variant(frame)
    width, height = _PANEL
    drawn, axes = style.small_multiples(
        len(groups),
        panel=(width, 1.2 + _NAME_HEIGHT * len(names) if names else height),
        most_columns=_COLUMNS,
    )
    for one, (name, part) in zip(axes, groups.items(), strict=True):
        paint(one, part)
        n_seeds = part["model"].nunique()
        seeds = f" ({n_seeds} seeds)" if n_seeds > 1 else " (1 seed)"
        style.title(one, name + seeds)
        if names:
            one.set_ylim(0.5 - len(names), 0.5)
            one.set_yticks([-place for place in range(len(names))], names)
            one.tick_params(labelleft=False)
    _level(axes)
    for one in axes[::_COLUMNS]:
        one.tick_params(labelleft=True)
        one.set_ylabel(ylabel)
    for one in axes[-_COLUMNS:]:
        one.set_xlabel(xlabel)
    style.legend_below(drawn, axes)
    return drawn


def seed_lines(
    axes: Axes, frame: pd.DataFrame, x: str, y: str, *, label: str, color: str
) -> None:
    """Every seed as a thin line, and their median."""
    for _, part in frame.groupby("model", sort=False):
        axes.plot(part[x], part[y], color=color, linewidth=0.8, alpha=0.5)
    median = frame.groupby(x, sort=False)[y].median()
    axes.plot(
        median.index,
        median,
        color=color,
        linewidth=1.8,
        marker="o",
        markersize=2.5,
        label=f"{label}: median, and every seed",
    )


def seed_points(
    axes: Axes, frame: pd.DataFrame, place: str, y: str, *, label: str, color: str
) -> None:
    """Every seed as a point above its place, and their mean as a bar across."""
    names = list(dict.fromkeys(frame[place]))
    at = frame[place].map({name: index for index, name in enumerate(names)})
    axes.plot(
        at,
        frame[y],
        "o",
        color=color,
        markersize=3.5,
        alpha=0.55,
        label=f"{label}: every seed; bar: their mean",
    )
    means = frame.groupby(place, sort=False)[y].mean()
    axes.plot(range(len(names)), means[names], "_", color=color, ms=11, mew=1.8)
    axes.set_xticks(range(len(names)), [str(name) for name in names])


def seed_marks(
    axes: Axes,
    frame: pd.DataFrame,
    names: Sequence[str],
    x: str,
    *,
    label: str,
    color: str,
    aside: float = 0.0,
) -> None:
    """Every seed as a point on the line of its name, and their mean as a bar.

    Args:
        axes: of one variant.
        frame: its rows, with the column ``name``.
        names: of all lines, from the top.
        x: what is drawn along them.
        label: of the points.
        color: of points and bars.
        aside: how far above its line they stand, of the distance of two lines.
    """
    places = {name: aside - place for place, name in enumerate(names)}
    axes.plot(
        frame[x],
        frame["name"].map(places),
        "o",
        color=color,
        markersize=3.5,
        alpha=0.55,
        label=f"{label}: every seed; bar: their mean",
    )
    means = frame.groupby("name", sort=False)[x].mean()
    heights = [places[name] for name in means.index]
    axes.plot(means, heights, "|", color=color, ms=9, mew=1.8)


def dots(
    numbers: Numbers,
    *,
    lines: Mapping[str, Mapping[str, float]] | None = None,
    logarithmic: Collection[str] = (),
) -> Figure:
    """Numbers by variant, a panel each: every seed as a dot, their mean as a bar.

    Args:
        numbers: label of the panel to variant to one value a seed.
        lines: label of the panel to what stands beside them, by name.
        logarithmic: labels of panels with such an axis.
    """
    variants = list(dict.fromkeys(name for each in numbers.values() for name in each))
    height = 1.5 + _LINE_HEIGHT * len(variants)
    drawn, axes = style.figure(1, len(numbers), panel=(4.6, height))
    places = {name: -place for place, name in enumerate(variants)}
    for one, (label, each) in zip(axes, numbers.items(), strict=True):
        for name, values in each.items():
            one.plot(
                values,
                [places[name]] * len(values),
                "o",
                color=style.MODEL,
                alpha=0.5,
                markersize=5,
            )
            if len(values):
                mean = float(np.mean(values))
                one.plot(mean, places[name], "|", color=style.MODEL, ms=14, mew=2.2)
        for (name, value), color in zip(
            (lines or {}).get(label, {}).items(), _LINE_COLORS, strict=False
        ):
            one.axvline(value, color=color, linestyle="--", lw=1.2, label=name)
        one.set(xlabel=f"{label}\n(dots: seeds; bars: their means)")
        one.set_yticks(list(places.values()), list(places))
        one.set_ylim(-len(variants) + 0.4, 0.6)
        if label in logarithmic:
            style.logarithmic(one, "x", near_zero=_NEAR_ZERO)
            smallest = min(value for values in each.values() for value in values)
            one.set_xlim(left=min(1.2 * smallest, -_NEAR_ZERO / 4))
    for one in axes[1:]:
        one.set_yticklabels([])
    style.legend_below(drawn, axes)
    return drawn


def each_seed(frame: pd.DataFrame, column: str) -> dict[str, list[float]]:
    """Variant to one value a seed, from a table of one row a model."""
    return {
        name: [float(value) for value in part[column]]
        for name, part in by_variant(frame).items()
    }


_LINE_COLORS = (style.BAYES, style.ORANGE, style.GREY)


def _level(axes: Sequence[Axes]) -> None:
    """The same limits for all."""
    for get, put in (("get_xlim", "set_xlim"), ("get_ylim", "set_ylim")):
        limits = [getattr(one, get)() for one in axes]
        low, high = min(lo for lo, _ in limits), max(hi for _, hi in limits)
        for one in axes:
            getattr(one, put)(low, high)
