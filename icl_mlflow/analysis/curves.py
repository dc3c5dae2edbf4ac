"""Curves of predictors along an axis, such as the context length or a shift.

At every point: accuracy and excess risk over the exact Bayes predictor of that point,
with 95 % intervals. Several seeds become a median within their range (from six on, with
the band in which the median lies); a single model keeps the interval over its episodes.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from icl_mlflow.analysis import style
from icl_mlflow.analysis.sentences import band_meaning
from icl_mlflow.analysis.side_by_side import group_of, panels, seed_lines
from icl_mlflow.evaluation import excess_risk, expected_accuracy
from icl_mlflow.statistics import (
    Interval,
    mean_interval,
    numbers_of_row,
    order_interval,
)

#: The names of predictors in every table of a curve.
MODEL, BAYES, TRAINED_BAYES, ORACLE = (
    "model",
    "Bayes",
    "Bayes, training prior",
    "oracle",
)

_METRICS = {
    "accuracy": "accuracy",
    "excess_risk": "excess risk over Bayes (nats)",
}


@dataclass(frozen=True)
class _Look:
    """Colour, line (``none`` for points with error bars) and marker of a curve."""

    color: str
    line: str
    marker: str


_LOOKS: Mapping[str, _Look] = {
    BAYES: _Look(style.BAYES, "-", "s"),
    TRAINED_BAYES: _Look(style.ORANGE, "--", "^"),
    ORACLE: _Look(style.ORACLE, ":", "D"),
}
_MODEL_COLORS = (style.BLUE, style.PURPLE, style.SKY, style.GREY)
#: Below this an axis of excess risk is linear, so that exactly 0 has a place.
_SMALL_RISK = 1e-3


def point(
    at: Mapping[str, object], answers: Mapping[str, Tensor], bayes_B: Tensor
) -> list[dict[str, object]]:
    """One row a predictor: where, who, and both metrics with the ends of an interval.

    Args:
        at: columns that say where on the axis.
        answers: predictor to its log-odds (B,), nats; none may know the latents.
        bayes_B: exact log-odds of these episodes given what is seen, nats.
    """
    rows = []
    for predictor, logit_B in answers.items():
        row: dict[str, object] = {**at, "predictor": predictor}
        right_B, risk_B = (
            measured(logit_B, bayes_B).numpy()
            for measured in (expected_accuracy, excess_risk)
        )
        row |= mean_interval(right_B, "logit").columns("accuracy")
        row |= mean_interval(risk_B, "log").columns("excess_risk")
        rows.append(row | {"episodes": len(bayes_B)})
    return rows


def known_accuracy(at: Mapping[str, object], accuracy: float) -> dict[str, object]:
    """The oracle's row: it knows the latents, so it has no excess over Bayes."""
    ends = dict.fromkeys(("accuracy_low", "accuracy_high"), accuracy)
    return {**at, "predictor": ORACLE, "accuracy": accuracy, **ends}


def averaged(frame: pd.DataFrame, x: str, metric: str) -> pd.DataFrame:
    """Median over models at every ``x``, in order: columns middle, low, high, by ``x``.

    Low and high are the ends of `order_interval` over models: the lowest and the
    highest or, from six on, where the median lies; of a single model its own.
    """
    rows = []
    for value, part in frame.groupby(x, sort=False):
        if len(part) > 1:
            found = order_interval(part[metric].to_numpy())
            ends = (float(part[metric].median()), found.low, found.high)
        else:
            names = (metric, f"{metric}_low", f"{metric}_high")
            ends = tuple(part[name].item() for name in names)
        rows.append((value, *ends))
    table = pd.DataFrame(rows, columns=[x, "middle", "low", "high"])
    return table.set_index(x)


def draw_curves(frame: pd.DataFrame, x: str, label: str, scale: str) -> Figure:
    """Accuracy and excess risk along ``x``: groups of models, and the references."""
    drawn, panels = style.figure(1, 2, panel=(5.6, 4.2))
    draw_pair(panels, frame, x, label, scale)
    style.legend(panels[0])
    return drawn


def draw_pair(
    panels: Sequence[Axes],
    frame: pd.DataFrame,
    x: str,
    label: str,
    scale: str,
    *,
    joined: bool = True,
) -> None:
    """Both metrics in two panels.

    Args:
        panels: two.
        frame: of one sweep, with the column ``model``.
        x: the column of the horizontal axis.
        label: its name for readers.
        scale: ``linear``, or ``symlog`` for powers of 2 with 0 among them.
        joined: whether points are joined by lines and bands.
    """
    for axes, (metric, name) in zip(panels, _METRICS.items(), strict=True):
        if scale == "symlog":
            axes.set_xscale("symlog", base=2, linthresh=1)
        draw_panel(axes, frame, x, metric, joined=joined)
        axes.set(xlabel=label, ylabel=name)
        if scale == "symlog":
            ticks = sorted(frame[x].unique())
            axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
            axes.minorticks_off()


def draw_beside(frame: pd.DataFrame, x: str, label: str, scale: str) -> Figure:
    """The excess risk of every variant along ``x``, a panel each, every seed shown.

    Beside them the Bayes predictor of the training prior, where there is one.
    """
    ticks = sorted(frame[x].unique())

    def paint(axes: Axes, part: pd.DataFrame) -> None:
        if scale == "symlog":
            axes.set_xscale("symlog", base=2, linthresh=1)
        own = part[part["predictor"] == MODEL]
        seed_lines(axes, own, x, "excess_risk", label="model", color=style.MODEL)
        unsuspecting = part[part["predictor"] == TRAINED_BAYES]
        if len(unsuspecting):
            curve = unsuspecting.groupby(x)["excess_risk"].mean()
            look = _LOOKS[TRAINED_BAYES]
            axes.plot(curve, look.line, color=look.color, label=TRAINED_BAYES)
        style.logarithmic(axes, "y", near_zero=_SMALL_RISK)
        axes.set_ylim(bottom=-_SMALL_RISK / 4)
        if scale == "symlog":
            axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
            axes.minorticks_off()

    return panels(frame, paint, xlabel=label, ylabel=_METRICS["excess_risk"])


def mark(axes: Axes, values: Sequence[float], label: str) -> None:
    """Dotted verticals where models were trained."""
    for index, value in enumerate(values):
        text = label if index == 0 else None
        axes.axvline(value, color="black", linewidth=0.8, linestyle=":", label=text)


def draw_panel(
    axes: Axes, frame: pd.DataFrame, x: str, metric: str, *, joined: bool = True
) -> None:
    """One metric along ``x``."""
    own = frame[frame["predictor"] == MODEL]
    colors = itertools.cycle(_MODEL_COLORS)
    for group, part in own.groupby(own["model"].map(group_of), sort=False):
        n_models = part["model"].nunique()
        several = f" (median of {n_models}; {band_meaning(n_models)})"
        text = str(group) + (several if n_models > 1 else " (95 % over episodes)")
        look = _Look(next(colors), "-" if joined else "none", "o")
        _band(axes, averaged(part, x, metric), text, look)
    for predictor, joined_look in _LOOKS.items():
        part = frame[frame["predictor"] == predictor]
        if part[metric].notna().any():
            # Models that were asked the same have the same references: one is enough.
            reference = part.drop_duplicates([x, metric]).groupby(x, sort=False)
            curve = reference[[metric, f"{metric}_low", f"{metric}_high"]].mean()
            curve.columns = ["middle", "low", "high"]
            look = joined_look if joined else replace(joined_look, line="none")
            _band(axes, curve, predictor, look)
    if metric == "excess_risk":
        style.logarithmic(axes, "y", near_zero=_SMALL_RISK)
        axes.set_ylim(bottom=-_SMALL_RISK / 4)


def _band(axes: Axes, curve: pd.DataFrame, label: str, look: _Look) -> None:
    curve = curve.sort_index()
    middle, low, high = curve["middle"], curve["low"], curve["high"]
    if look.line == "none":
        axes.errorbar(
            curve.index,
            middle,
            yerr=[middle - low, high - middle],
            color=look.color,
            linestyle="none",
            marker=look.marker,
            capsize=3,
            label=label,
        )
        return
    axes.plot(
        curve.index,
        middle,
        color=look.color,
        linestyle=look.line,
        marker=look.marker,
        markersize=3.5,
        label=label,
    )
    axes.fill_between(curve.index, low, high, color=look.color, alpha=0.15, linewidth=0)


def summarise_curve(frame: pd.DataFrame, x: str) -> dict[str, float]:
    """Accuracy and excess risk (nats) of the model at every point, and of references.

    By name: ``accuracy_at_8``, ``excess_risk_at_8``, ``bayes_accuracy_at_8`` and, where
    the prior was changed, ``training_prior_excess_risk_at_8``.
    """
    names = {
        (MODEL, "accuracy"): "accuracy",
        (MODEL, "excess_risk"): "excess_risk",
        (BAYES, "accuracy"): "bayes_accuracy",
        (TRAINED_BAYES, "excess_risk"): "training_prior_excess_risk",
    }
    numbers: dict[str, float] = {}
    for row in frame.to_dict("records"):
        for (predictor, metric), name in names.items():
            if row["predictor"] == predictor:
                key = f"{name}_at_{row[x]:g}"
                numbers |= numbers_of_row(row, metric, key)
    return numbers


def extremes(numbers: Mapping[str, Interval]) -> str:
    """The model's smallest and largest excess risk, and where: part of a sentence."""
    prefix = "excess_risk_at_"
    found = {
        name.removeprefix(prefix): interval.mean
        for name, interval in numbers.items()
        if name.startswith(prefix)
    }
    best, worst = min(found, key=found.__getitem__), max(found, key=found.__getitem__)
    return (
        f"from {found[best]:.4f} nats above Bayes at {best} "
        f"to {found[worst]:.4f} at {worst}"
    )
