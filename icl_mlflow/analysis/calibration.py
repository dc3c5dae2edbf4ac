"""Do predicted probabilities come true? The reliability diagram, beside exact Bayes.

Bins hold equally many episodes, so that every point is equally certain; bars are 95 %
Wilson intervals of the observed share.
"""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from torch import Tensor

from icl_mlflow.analysis import style
from icl_mlflow.evaluation import EvaluationSet, calibration_bins
from icl_mlflow.statistics import wilson_interval


def measure(logit_B: Tensor, truth: EvaluationSet) -> pd.DataFrame:
    """One row per predictor and bin: ``predicted``, ``observed``, ``low``, ``high``, ``count``."""
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


def draw(frame: pd.DataFrame, title: str = "") -> Figure:
    """Observed share of y = 1 against predicted probability."""
    drawn, (axes,) = style.figure(panel=(4.8, 4.6))
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
    if title:
        axes.set_title(title, fontsize="medium")
    return drawn
