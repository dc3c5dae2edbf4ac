"""Do predicted probabilities come true? The reliability diagram, beside exact Bayes.

Bins hold equally many episodes, so that every point is equally certain; bars are 95 %
Wilson intervals of the observed share.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from icl_mlflow.analysis import style
from icl_mlflow.analysis.base import Analysis, Subject
from icl_mlflow.evaluation import EvaluationSet, calibration_bins
from icl_mlflow.statistics import wilson_interval


def measure(logit_B: Tensor, truth: EvaluationSet) -> pd.DataFrame:
    """One row per predictor and bin: predicted, observed, low, high, count."""
    rows = []
    for predictor, score_B in (("model", logit_B), ("Bayes", truth.bayes_B)):
        bins = calibration_bins(score_B, truth.label_B)
        for predicted, observed, count in zip(
            bins.predicted.tolist(),
            bins.observed.tolist(),
            bins.count.tolist(),
            strict=True,
        ):
            interval = wilson_interval(round(observed * count), count)
            rows.append(
                {
                    "predictor": predictor,
                    "predicted": predicted,
                    "observed": observed,
                    "low": interval.low,
                    "high": interval.high,
                    "count": count,
                }
            )
    return pd.DataFrame(rows)


def summarise(frame: pd.DataFrame) -> dict[str, float]:
    """Expected calibration error of the model and of Bayes, in [0, 1]."""
    return {
        f"ece_{predictor}".lower(): float(
            np.average(
                (bins["predicted"] - bins["observed"]).abs(), weights=bins["count"]
            )
        )
        for predictor, bins in frame.groupby("predictor")
    }


def draw(frame: pd.DataFrame) -> Figure:
    """Observed share of y = 1 against predicted probability, a panel a model."""
    models = frame.groupby("model", sort=False)
    drawn, panels = style.small_multiples(len(models), panel=(4.6, 4.6))
    for axes, (model, bins) in zip(panels, models, strict=True):
        _reliability(axes, bins)
        axes.set_title(str(model), fontsize="medium")
    return drawn


def _reliability(axes: Axes, frame: pd.DataFrame) -> None:
    axes.axline((0, 0), slope=1, color="black", linewidth=1, label="calibrated")
    looks = {"Bayes": (style.BAYES, "s"), "model": (style.MODEL, "o")}
    for predictor, (color, marker) in looks.items():
        bins = frame[frame["predictor"] == predictor]
        below, above = bins["observed"] - bins["low"], bins["high"] - bins["observed"]
        error = summarise(bins)[f"ece_{predictor}".lower()]
        axes.errorbar(
            bins["predicted"],
            bins["observed"],
            yerr=np.array([below, above]),
            color=color,
            marker=marker,
            markersize=5,
            linewidth=1,
            capsize=2,
            label=f"{predictor} (ECE {error:.4f})",
        )
    axes.set(
        xlabel="predicted probability of y = 1",
        ylabel="observed share of y = 1",
        xlim=(-0.02, 1.02),
        ylim=(-0.02, 1.02),
        aspect="equal",
    )
    axes.legend(loc="upper left", fontsize="small")


def _ask(subject: Subject) -> pd.DataFrame:
    return measure(subject.logit_B, subject.truth)


def _verdict(numbers: Mapping[str, float]) -> str:
    return (
        f"Predicted probabilities are off by {numbers['ece_model']:.4f} on average; "
        f"exact Bayes, which is calibrated, shows {numbers['ece_bayes']:.4f} by chance."
    )


CALIBRATION = Analysis(
    question="Do predicted probabilities come true?",
    measure=_ask,
    summarise=summarise,
    draw=draw,
    verdict=_verdict,
)
