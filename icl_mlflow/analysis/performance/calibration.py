"""The reliability diagram: do predicted probabilities come true? With exact Bayes.

Bins hold equally many episodes, so that every point is equally certain; bars are 95 %
Wilson intervals of the observed share.
"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from icl_mlflow.analysis import style
from icl_mlflow.analysis.base import Analysis, Subject, Topic
from icl_mlflow.analysis.findings import Conclusion, Findings
from icl_mlflow.analysis.score_intervals import ece_of_bins
from icl_mlflow.analysis.side_by_side import panels
from icl_mlflow.evaluation import EvaluationSet, calibration_bins
from icl_mlflow.statistics import wilson_interval

#: Probabilities that are off by less, on average, count as calibrated.
_CALIBRATED = 0.01


def measure(
    logit_B: Tensor, truth: EvaluationSet, trained_B: Tensor | None = None
) -> pd.DataFrame:
    """One row per predictor and bin: predicted, observed, low, high, count.

    ``trained_B`` is of Bayes with the training prior, where episodes are shifted.
    """
    rows = []
    scores = {"model": logit_B, "Bayes": truth.bayes_B}
    if trained_B is not None:
        scores["Bayes, training prior"] = trained_B
    for predictor, score_B in scores.items():
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
    """Expected calibration error of the model, with its interval, and of Bayes."""
    numbers: dict[str, float] = {}
    for predictor, bins in frame.groupby("predictor", sort=False):
        key = f"ece_{predictor}".lower().replace(", ", "_").replace(" ", "_")
        found = ece_of_bins(
            bins["predicted"].to_numpy(),
            bins["observed"].to_numpy(),
            bins["count"].to_numpy(),
            np.random.default_rng(0),
        )
        numbers |= found.numbers(key) if predictor == "model" else {key: found.mean}
    return numbers


def draw(frame: pd.DataFrame) -> Figure:
    """Observed share of y = 1 against predicted probability, a panel a model."""
    models = frame.groupby("model", sort=False)
    drawn, panels = style.small_multiples(len(models), panel=(4.6, 4.6))
    for axes, (model, bins) in zip(panels, models, strict=True):
        _reliability(axes, bins)
        style.title(axes, str(model))
    return drawn


def _reliability(axes: Axes, frame: pd.DataFrame) -> None:
    axes.axline((0, 0), slope=1, color="black", linewidth=1, label="calibrated")
    looks = {
        "Bayes": (style.BAYES, "s"),
        "Bayes, training prior": (style.ORANGE, "^"),
        "model": (style.MODEL, "o"),
    }
    for predictor, (color, marker) in looks.items():
        bins = frame[frame["predictor"] == predictor]
        if bins.empty:
            continue
        below, above = bins["observed"] - bins["low"], bins["high"] - bins["observed"]
        error = next(iter(summarise(bins).values()))
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
    style.legend(axes, loc="upper left")


def _ask(subject: Subject) -> pd.DataFrame:
    return measure(subject.logit_B, subject.truth, subject.trained_bayes_B)


def _beside(frame: pd.DataFrame) -> Figure:
    """The diagram of every variant: each seed, and the diagonal."""

    def paint(axes: Axes, part: pd.DataFrame) -> None:
        axes.axline((0, 0), slope=1, color="black", linewidth=1, label="calibrated")
        own = part[part["predictor"] == "model"]
        for index, (_, bins) in enumerate(own.groupby("model", sort=False)):
            axes.plot(
                bins["predicted"],
                bins["observed"],
                marker="o",
                markersize=3,
                linewidth=0.9,
                alpha=0.6,
                color=style.MODEL,
                label="every seed" if index == 0 else None,
            )

    return panels(
        frame,
        paint,
        xlabel="predicted probability of y = 1",
        ylabel="observed share of y = 1",
    )


def _verdict(found: Findings) -> Conclusion:
    return Conclusion(
        found.below("ece_model", _CALIBRATED),
        f"predicted probabilities are off by {found.phrase('ece_model')} on average, "
        f"where exact Bayes, which is calibrated, shows {found['ece_bayes']:.4f} by "
        f"chance; below {_CALIBRATED} counts as calibrated",
    )


CALIBRATION = Analysis(
    question="Do predicted probabilities come true?",
    topic=Topic.RIGHT,
    measure=_ask,
    summarise=summarise,
    draw=draw,
    verdict=_verdict,
    headline="ece_model",
    beside=_beside,
)
