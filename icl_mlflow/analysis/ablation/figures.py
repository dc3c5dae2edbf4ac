"""Figures of an ablation: differences as a forest, learning curves side by side."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from icl_mlflow.analysis import style
from icl_mlflow.analysis.ablation.decision import SMALLEST_OF_INTEREST
from icl_mlflow.analysis.ablation.grid import heat_maps, labels
from icl_mlflow.analysis.caption import CaptionedFigure, Drawing, caption
from icl_mlflow.analysis.sentences import band_meaning
from icl_mlflow.estimators.ceilings import Ceilings
from icl_mlflow.statistics import order_interval
from icl_mlflow.training.settings import TrainSettings

#: The figures that set all variants side by side, by file name.
FOREST, CURVES = "differences", "learning_curves"
#: What the names of the heat maps of a grid begin with; the variant follows.
HEAT_MAP = "heat_map"
_TEST, _VALIDATION = "test episodes", "validation episodes"

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
    settings: TrainSettings,
    ceilings: Mapping[str, Ceilings],
    title: str,
    *,
    axes: Mapping[str, Sequence[object]] | None = None,
) -> dict[str, CaptionedFigure]:
    """Every figure of an ablation by name.

    Args:
        table: of `ablation.measure`, with the columns of `verdict.with_verdicts`.
        history: one row a variant, seed and epoch; in a grid, of every cell.
        settings: of every member, but for variant and seed.
        ceilings: by variant; in a grid, by label.
        title: above each figure.
        axes: of the grid, if there is one, name to values.
    """
    asked = {_TEST: settings.test_episodes, _VALIDATION: settings.val_episodes}
    labelled = history.assign(variant=labels(history))

    def shown(
        figure: Figure, draw: Drawing, kind: str, rows: pd.DataFrame = history
    ) -> CaptionedFigure:
        models = _models(rows, settings)
        return CaptionedFigure(figure, caption(draw, models, asked[kind], kind))

    found = {}
    if not axes or "difference" in table:
        named = table.assign(variant=labels(table))
        found[FOREST] = shown(forest(named, title), forest, _TEST)
    curves = small_multiples(labelled, ceilings, title)
    found[CURVES] = shown(curves, small_multiples, _VALIDATION)
    for name in table["variant"].unique():
        rows, above = history[history["variant"] == name], f"{title}: {name}"
        if axes:
            maps = heat_maps(table[table["variant"] == name], axes, above)
            found[f"{HEAT_MAP}-{name}"] = shown(maps, heat_maps, _TEST, rows)
        else:
            one = one_variant(rows, ceilings[name], above)
            found[f"learning_curve-{name}"] = shown(one, one_variant, _VALIDATION, rows)
    return found


def _models(history: pd.DataFrame, settings: TrainSettings) -> list[str]:
    """The names of all members that have a history."""
    members = history[["variant", "seed"]].drop_duplicates().to_numpy()
    return [
        replace(settings, variant=str(variant), seed=int(seed)).run_name
        for variant, seed in members
    ]


def forest(table: pd.DataFrame, title: str) -> Figure:
    """Excess risk over the own ceiling minus the baseline's: every seed, by variant.

    The band around 0 holds the differences that count as none.

    Args:
        table: of `ablation.measure`, with the columns of `verdict.with_verdicts`.
        title: above the figure.
    """
    rows = table[table["difference"].notna()] if "difference" in table else table[:0]
    drawn, (axes,) = style.figure(panel=(9.5, 1.7 + _LINE_HEIGHT * len(rows)))
    axes.grid(visible=False, axis="y")
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
    style.heading(drawn, title)
    return drawn


def small_multiples(
    history: pd.DataFrame, ceilings: Mapping[str, Ceilings], title: str
) -> Figure:
    """Validation accuracy of every variant against the epoch, on common axes."""
    variants = [name for name in ceilings if name in set(history["variant"])]
    drawn, panels = style.small_multiples(
        len(variants), panel=(3.3, 2.7), most_columns=_COLUMNS
    )
    limits = _limits(history, [ceilings[name] for name in variants])
    for axes, name in zip(panels, variants, strict=True):
        curve(axes, history[history["variant"] == name], ceilings[name])
        style.title(axes, name)
        axes.set_ylim(limits)
    for axes in panels[::_COLUMNS]:
        axes.set_ylabel("validation accuracy")
    for axes in panels[-_COLUMNS:]:
        axes.set_xlabel("epoch")
    style.legend_below(drawn, panels, most_columns=5)
    style.heading(drawn, title)
    return drawn


def one_variant(history: pd.DataFrame, found: Ceilings, title: str) -> Figure:
    """Training and validation accuracy of one variant against the epoch."""
    drawn, (axes,) = style.figure(panel=(5.8, 4.2))
    seeds(axes, history, "train/accuracy", "training", style.TRAINING)
    curve(axes, history, found)
    axes.set(xlabel="epoch", ylabel="accuracy")
    style.title(axes, title)
    axes.set_ylim(_limits(history, [found], ("train/accuracy", "val/accuracy")))
    style.legend(axes, loc="best")
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
    shown = [0.5, *tops, *ends]
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
    axes.axhline(0.5, color=style.CHANCE, linestyle="-.", lw=1.0, label="chance")
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
