"""Attribution patching: does the gradient tell what a patch does?

To first order the effect of every patch comes out of one backward pass
(`icl_mlflow.models.patching.gradient`). Here each estimate stands beside the exact
effect: how far the log-odds move towards the source's, in nats. The distance from the
line is the method's error, and a part whose estimate has the wrong sign is misjudged.

Of the excess risk the gradient tells nothing where a model is near exact Bayes: there
it vanishes. How far it is off is among the numbers (``..._risk_relative_error``).
"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from icl_mlflow.analysis import style
from icl_mlflow.analysis.base import Analysis, Subject, Topic
from icl_mlflow.analysis.findings import Conclusion, Findings
from icl_mlflow.analysis.mechanism.internals import no_internals
from icl_mlflow.analysis.mechanism.patching.effects import (
    MOST,
    WHOLE,
    effects,
    first_kind,
)
from icl_mlflow.statistics import numbers_of_row, pearson_interval

#: A correlation of estimates with effects from which the gradient tells the effect.
_TELLS = 0.9
_COLUMNS = ["pair", "part", "kind", "tokens"]
_MARKERS = {"stream": "s", "head": "o", "MLP": "^"}
#: Below it the axes are linear, in nats.
_NEAR_ZERO = 1e-2


def measure(subject: Subject) -> pd.DataFrame:
    """One row per kind of pair, part and role: exact effects and estimates (nats)."""
    ends = ("", "_low", "_high")
    numbers = [f"{name}{end}" for name in ("moved", "estimate") for end in ends]
    numbers += ["effect", "risk_estimate"]
    frame = effects(subject)
    found: pd.DataFrame = frame.loc[frame["part"] != WHOLE, [*_COLUMNS, *numbers]]
    return found.reset_index(drop=True)


def summarise(frame: pd.DataFrame) -> dict[str, float]:
    """By kind of pair: correlation, relative error, and the share of wrong signs.

    ``relative_error`` is the mean distance of estimate and effect over the mean size of
    the effects; ``risk_relative_error`` is the same of the excess risk.
    """
    numbers = _agreement(first_kind(frame), "agreement")
    for pair, part in frame.groupby("pair", sort=False):
        name = str(pair).replace(" ", "_")
        moved, estimate = part["moved"], part["estimate"]
        numbers |= _agreement(part, f"{name}_agreement")
        numbers[f"{name}_relative_error"] = _error(moved, estimate)
        is_wrong = np.sign(moved) * np.sign(estimate) < 0
        numbers[f"{name}_wrong_signs"] = float(is_wrong.mean())
        risk_error = _error(part["effect"], part["risk_estimate"])
        numbers[f"{name}_risk_relative_error"] = risk_error
    return numbers


def _error(exact: "pd.Series[float]", estimate: "pd.Series[float]") -> float:
    """The mean distance over the mean size of what is exact."""
    size = float(exact.abs().mean())
    return float((estimate - exact).abs().mean()) / size if size else float("nan")


def _agreement(frame: pd.DataFrame, name: str) -> dict[str, float]:
    found = pearson_interval(frame["moved"], frame["estimate"]).columns("r")
    return numbers_of_row(found, "r", name)


def draw(frame: pd.DataFrame) -> Figure:
    """Estimate against exact effect of every part, a panel a model."""
    models = frame.groupby("model", sort=False)
    drawn, panels = style.small_multiples(len(models), panel=(5.2, 4.6))
    for axes, (model, part) in zip(panels, models, strict=True):
        _scatter(axes, part)
        style.title(axes, str(model))
        axes.set(xlabel="log-odds moved (nats)", ylabel="by the gradient (nats)")
    style.legend(panels[0])
    return drawn


def _scatter(axes: Axes, frame: pd.DataFrame) -> None:
    pairs = list(frame["pair"].unique())
    for axis in ("x", "y"):
        style.logarithmic(axes, axis, near_zero=_NEAR_ZERO)
    for (pair, kind), part in frame.groupby(["pair", "kind"], sort=False):
        style.interval_points(
            axes,
            part["moved"].tolist(),
            part,
            "estimate",
            color=style.CYCLE[pairs.index(str(pair))],
            marker=_MARKERS[str(kind)],
            label=f"{pair}, {kind}",
        )
    both = frame[["moved", "estimate"]].to_numpy()
    ends = [float(both.min()), float(both.max())]
    axes.plot(ends, ends, color="black", linewidth=0.8)


def _verdict(found: Findings) -> Conclusion:
    below = found.below("agreement", _TELLS)
    pair = found.frame["pair"].iloc[0]
    name = str(pair).replace(" ", "_")
    n_parts = len(first_kind(found.frame)) // found.frame["model"].nunique()
    agreement = found.phrase("agreement", digits=2, over=f"over {n_parts} parts")
    return Conclusion(
        None if below is None else not below,
        f"estimate and exact effect correlate by {agreement} with a {pair}, over "
        "streams, heads and MLPs; the estimate is off by "
        f"{found[f'{name}_relative_error']:.0%} of the mean effect, and "
        f"{found[f'{name}_wrong_signs']:.0%} have the wrong sign; of the excess risk, "
        f"whose gradient vanishes at exact Bayes, it is off by "
        f"{found[f'{name}_risk_relative_error']:.0%}",
    )


ATTRIBUTION_PATCHING = Analysis(
    question="Does the gradient tell what a patch does?",
    topic=Topic.PLACE,
    by_default=False,
    measure=measure,
    summarise=summarise,
    draw=draw,
    verdict=_verdict,
    headline="agreement",
    refuses=no_internals,
    most_episodes=MOST,
)
