"""Regression of the logit on the optimal test statistic: is it a copy of that?

Against the oracle's log-likelihood ratio (latents known) and against the exact Bayes
log-odds (context known), which is what a perfect in-context learner would output: there
slope 1 means calibrated, and correlation 1 the optimal test up to calibration.
Source: arXiv 2603.10573, figure "Logit vs LLR".
"""

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from icl_mlflow.analysis import style
from icl_mlflow.analysis.base import Analysis, Subject, Topic
from icl_mlflow.analysis.episodes import episodes_for as drawn_episodes
from icl_mlflow.analysis.findings import Conclusion, Findings, all_of
from icl_mlflow.analysis.side_by_side import panels
from icl_mlflow.evaluation import EvaluationSet, predict
from icl_mlflow.statistics import (
    Interval,
    pearson_interval,
    slope_interval,
    spearman_interval,
)
from icl_mlflow.tasks.base import with_parameters

_SHIFT = "out_of_distribution"
_AXES = {
    "llr": "oracle log-likelihood ratio (nats)",
    "bayes": "exact Bayes log-odds (nats)",
}
_ASSOCIATIONS = {
    "pearson": pearson_interval,
    "spearman": spearman_interval,
    "slope": slope_interval,
}
#: Beyond this an answer is as good as certain, and a slope tells only of the tails.
_UNDECIDED = 5
#: From which correlation, and within which of a slope of 1, a logit is a copy.
_COPY, _TOLERANCE = 0.99, 0.1
#: Episodes drawn: more hide each other.
_DRAWN = 2_000
#: Of every seed, where variants stand side by side.
_DRAWN_BESIDE = 300


def measure(
    logit_B: Tensor,
    truth: EvaluationSet,
    distribution: str = "in_distribution",
    trained_B: Tensor | None = None,
) -> pd.DataFrame:
    """One row an episode: distribution, llr, bayes, trained, logit (nats) and label.

    ``trained`` is exact Bayes with the training prior; ``bayes`` where not given.
    """
    return pd.DataFrame(
        {
            "distribution": distribution,
            "llr": truth.oracle_B.numpy(),
            "bayes": truth.bayes_B.numpy(),
            "trained": (truth.bayes_B if trained_B is None else trained_B).numpy(),
            "logit": logit_B.numpy(),
            "label": truth.episodes.query_y_B.cpu().numpy(),
        }
    )


def _ask(subject: Subject) -> pd.DataFrame:
    """The episodes asked about, and those of the task's shift out of distribution."""
    trained_on = subject.problem.task
    first = "in_distribution" if subject.task == trained_on else "shifted"
    tables = [measure(subject.logit_B, subject.truth, first, subject.trained_bayes_B)]
    for shift in trained_on.shifts.keys() & {_SHIFT}:
        task = with_parameters(trained_on, trained_on.shifts[shift])
        if task != subject.task:
            truth = drawn_episodes(subject, task, most=len(subject.truth))
            logit_B = predict(subject.predictor, truth.seen)
            trained_B = trained_on.bayes_logit(truth.episodes).cpu()
            tables.append(measure(logit_B, truth, shift, trained_B))
    return pd.concat(tables, ignore_index=True)


def summarise(frame: pd.DataFrame) -> dict[str, float]:
    """Pearson, Spearman and slope of the logit on both statistics, 95 % intervals.

    ``slope_within_5`` is that of the episodes within 5 nats of undecided, where a
    model's logit matters and its saturation does not. The first distribution's numbers
    come without its name.

    >>> perfect = pd.DataFrame({"llr": [-1.0, 0.5, 2.0, 3.0]})
    >>> perfect = perfect.assign(bayes=perfect["llr"], logit=2 * perfect["llr"])
    >>> numbers = summarise(perfect.assign(distribution="in_distribution"))
    >>> round(numbers["bayes_slope"], 6), round(numbers["llr_pearson"], 6)
    (2.0, 1.0)
    """
    numbers: dict[str, float] = {}
    for index, name in enumerate(frame["distribution"].unique()):
        part = frame[frame["distribution"] == name]
        prefix = f"{name}_" if index else ""
        for statistic in _AXES:
            for association, interval_of in _ASSOCIATIONS.items():
                key = f"{prefix}{statistic}_{association}"
                found = interval_of(part[statistic], part["logit"])
                numbers |= found.numbers(key)
            key = f"{prefix}{statistic}_slope_within_{_UNDECIDED}"
            numbers |= _near_slope(part, statistic).numbers(key)
        if "trained" in part and not part["trained"].equals(part["bayes"]):
            trained = pearson_interval(part["bayes"], part["trained"])
            numbers[f"{prefix}trained_bayes_pearson"] = trained.mean
    return numbers


def _near_slope(frame: pd.DataFrame, statistic: str) -> Interval:
    near = frame[frame[statistic].abs() <= _UNDECIDED]
    if near.empty:
        return Interval(math.nan, math.nan, math.nan, 0)
    return slope_interval(near[statistic], near["logit"])


def draw(frame: pd.DataFrame) -> Figure:
    """The logit against both statistics: a row a model, two panels a distribution."""
    models = list(frame["model"].unique())
    distributions = list(frame["distribution"].unique())
    n_columns = 2 * len(distributions)
    drawn, panels = style.figure(len(models), n_columns, panel=(4.2, 4.0))
    rest = iter(panels)
    for model in models:
        for distribution in distributions:
            is_here = (frame["model"] == model) & (
                frame["distribution"] == distribution
            )
            for statistic, label in _AXES.items():
                axes = next(rest)
                axes.set(xlabel=label, ylabel="model logit (nats)")
                where = distribution.replace("_", " ")
                _scatter(axes, frame[is_here], statistic, f"{model}, {where}")
    # The last panel has all there is: out of distribution, the training prior's too.
    style.legend(panels[-1], loc="upper left", markerscale=2)
    return drawn


def _scatter(axes: Axes, frame: pd.DataFrame, statistic: str, title: str) -> None:
    axes.axline((0, 0), slope=1, color="black", linewidth=1, label="equal")
    shown = frame.head(_DRAWN)
    for label, color in ((0, style.ORANGE), (1, style.BLUE)):
        part = shown[shown["label"] == label]
        axes.scatter(
            part[statistic],
            part["logit"],
            s=7,
            alpha=0.35,
            color=color,
            linewidths=0,
            label=f"true label {label}",
            rasterized=True,
        )
    if "trained" in frame and not frame["trained"].equals(frame["bayes"]):
        axes.scatter(
            shown[statistic],
            shown["trained"],
            s=4,
            color="black",
            linewidths=0,
            label="Bayes, training prior",
            rasterized=True,
        )
    if frame.empty:  # a model that was not asked about this distribution
        style.title(axes, f"{title}: not asked")
        return
    r, rho, slope = (
        interval_of(frame[statistic], frame["logit"])
        for interval_of in _ASSOCIATIONS.values()
    )
    near = _near_slope(frame, statistic)
    style.title(
        axes,
        f"{title}\nPearson {r.mean:.3f}, Spearman {rho.mean:.3f}\n"
        f"slope {slope.mean:.2f} ({near.mean:.2f} within {_UNDECIDED} nats)",
    )


def _beside(frame: pd.DataFrame) -> Figure:
    """The logit against exact Bayes, of some episodes of every seed."""
    first = frame["distribution"].iloc[0]

    def paint(axes: Axes, part: pd.DataFrame) -> None:
        axes.axline((0, 0), slope=1, color="black", linewidth=1, label="equal")
        for index, (model, seed) in enumerate(part.groupby("model", sort=False)):
            shown = seed.head(_DRAWN_BESIDE)
            axes.scatter(
                shown["bayes"],
                shown["logit"],
                s=5,
                alpha=0.4,
                linewidths=0,
                color=style.CYCLE[index % len(style.CYCLE)],
                label=f"seed {str(model).rpartition('-seed')[2]}",
                rasterized=True,
            )

    return panels(
        frame[frame["distribution"] == first],
        paint,
        xlabel=_AXES["bayes"],
        ylabel="model logit (nats)",
    )


def _verdict(found: Findings) -> Conclusion:
    near = f"bayes_slope_within_{_UNDECIDED}"
    low, high = 1 - _TOLERANCE, 1 + _TOLERANCE
    is_low, is_high = found.below(near, low), found.below(near, high)
    is_one = None if None in {is_low, is_high} else bool(is_high and not is_low)
    is_far = found.below("bayes_pearson", _COPY)
    is_copy = all_of(is_one, None if is_far is None else not is_far)
    clause = (
        f"the logit follows exact Bayes with Pearson {found.phrase('bayes_pearson')} "
        f"and slope {found.phrase(near, digits=3)} within {_UNDECIDED} nats of "
        f"undecided, {found['bayes_slope']:.2f} over all; the oracle's LLR with "
        f"Pearson {found['llr_pearson']:.3f}"
    )
    if f"{_SHIFT}_bayes_pearson" in found:
        clause += (
            f"; out of distribution, exact Bayes with Pearson "
            f"{found.phrase(f'{_SHIFT}_bayes_pearson', digits=3)} and slope "
            f"{found[f'{_SHIFT}_bayes_slope']:.2f}, where Bayes with the training "
            f"prior has {found[f'{_SHIFT}_trained_bayes_pearson']:.3f}"
        )
    bars = f"Pearson above {_COPY} and a slope within {low:g} to {high:g} are a copy"
    return Conclusion(is_copy, f"{clause}; {bars}")


LLR_REGRESSION = Analysis(
    question="Is the logit a copy of the optimal test statistic?",
    topic=Topic.COMPUTATION,
    measure=_ask,
    summarise=summarise,
    draw=draw,
    verdict=_verdict,
    headline="bayes_pearson",
    beside=_beside,
)
