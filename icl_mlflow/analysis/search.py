"""A search for settings: what each trial reached, and where in the space it stood."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from icl_mlflow.analysis import style

#: States of a trial, and how each is drawn.
FINISHED, PRUNED, FAILED = "finished", "pruned", "failed"
_LOOKS = {FINISHED: ("o", style.MODEL), PRUNED: ("x", style.GREY)}

_Y = "validation excess risk (nats)"


def draw(trials: pd.DataFrame, axes: Mapping[str, bool], title: str) -> Figure:
    """Validation excess risk of every trial: in order, and against each setting.

    The line is the best so far; crosses are trials that were cut short, at what they
    had reached by then.

    Args:
        trials: one row a trial: ``trial``, ``state``, ``excess_risk``, settings.
        axes: settings that were looked for; True for those on a logarithmic scale.
        title: above the figure.
    """
    drawn, panels = style.small_multiples(1 + len(axes), panel=(4.0, 3.2))
    first, *rest = panels
    _points(first, trials, "trial")
    finished = trials[trials["state"] == FINISHED]
    if len(finished):
        best = finished["excess_risk"].cummin()
        first.plot(
            finished["trial"],
            best,
            drawstyle="steps-post",
            color=style.BAYES,
            label="best so far",
        )
    first.set_xlabel("trial")
    first.xaxis.set_major_locator(MaxNLocator(integer=True))
    first.set_ylabel(_Y)
    style.legend(first)
    for panel, (name, is_logarithmic) in zip(rest, axes.items(), strict=True):
        _points(panel, trials, name)
        panel.set(xlabel=name, ylabel=_Y)
        if is_logarithmic:
            style.logarithmic(panel, "x")
    for panel in panels:
        if _spans_decades(trials["excess_risk"]):
            style.logarithmic(panel, "y")
    style.heading(drawn, title)
    return drawn


def _points(axes: Axes, trials: pd.DataFrame, column: str) -> None:
    for state, (marker, color) in _LOOKS.items():
        rows = trials[(trials["state"] == state) & trials["excess_risk"].notna()]
        if len(rows):
            axes.plot(
                rows[column], rows["excess_risk"], marker, color=color, label=state
            )


def _spans_decades(risks: "pd.Series[float]") -> bool:
    known = risks.dropna()
    return bool(len(known) and known.min() > 0 and np.ptp(np.log10(known)) > 1)


def best_trial(trials: pd.DataFrame) -> Mapping[str, object] | None:
    """The finished trial with the lowest validation excess risk; None without any."""
    finished = trials[trials["state"] == FINISHED]
    rows = finished.sort_values("excess_risk", kind="stable").to_dict("records")
    return {str(name): value for name, value in rows[0].items()} if rows else None
