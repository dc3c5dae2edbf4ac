"""Kernel regression: do near context points give their labels to the query?

The logit beside three Nadaraya-Watson votes on the same episodes: the raw dot product
that arXiv 2603.10573 compares with, which a shift of x throws off, and two kernels with
tuned bandwidths, by distance and by the length of x. A vote that the exact Bayes
log-odds follow as closely as the model does is no evidence about the model, so they
stand beside it.
"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from icl_mlflow.analysis import style
from icl_mlflow.analysis.base import Analysis, Subject, Topic
from icl_mlflow.analysis.findings import Conclusion, Findings
from icl_mlflow.analysis.side_by_side import dots, each_seed
from icl_mlflow.estimators import ESTIMATORS
from icl_mlflow.estimators.base import estimate
from icl_mlflow.statistics import pearson_interval, spearman_interval

_KERNELS = {
    "kernel_dot": "dot product, as published",
    "kernel_rbf": "distance (tuned RBF)",
    "kernel_log_norm": "length of x (tuned)",
}
#: Episodes drawn: more hide each other.
_DRAWN = 2_000


def measure(subject: Subject) -> pd.DataFrame:
    """One row an episode: logit and bayes (nats), and each kernel's vote in [-1, 1].

    Bandwidths are tuned on the training task.
    """
    task, seen = subject.problem.task, subject.truth.seen.to("cpu")
    votes = {name: estimate(ESTIMATORS[name], task, seen).numpy() for name in _KERNELS}
    return pd.DataFrame(
        {
            "logit": subject.logit_B.numpy(),
            "bayes": subject.truth.bayes_B.numpy(),
            **votes,
        }
    )


def summarise(frame: pd.DataFrame) -> dict[str, float]:
    """Correlations of logit and Bayes with each vote; 95 % intervals for the logit.

    ``nearest_pearson`` is the largest of the logit's.
    """
    numbers: dict[str, float] = {}
    for kernel in _KERNELS:
        r = pearson_interval(frame[kernel], frame["logit"])
        rho = spearman_interval(frame[kernel], frame["logit"])
        numbers |= {
            **r.numbers(f"{kernel}_pearson"),
            **rho.numbers(f"{kernel}_spearman"),
            f"{kernel}_bayes_pearson": pearson_interval(
                frame[kernel], frame["bayes"]
            ).mean,
        }
    nearest = max(numbers[f"{kernel}_pearson"] for kernel in _KERNELS)
    return numbers | {"nearest_pearson": nearest}


def draw(frame: pd.DataFrame) -> Figure:
    """The logit against each kernel's vote: a row a model."""
    models = frame.groupby("model", sort=False)
    drawn, panels = style.figure(len(models), len(_KERNELS), panel=(4.2, 3.8))
    rest = iter(panels)
    for model, part in models:
        for kernel, label in _KERNELS.items():
            _scatter(next(rest), part, kernel, label, str(model))
    return drawn


def _scatter(
    axes: Axes, frame: pd.DataFrame, kernel: str, label: str, model: str
) -> None:
    shown = frame.head(_DRAWN)
    vote, logit = frame[kernel].to_numpy(), frame["logit"].to_numpy()
    axes.scatter(
        shown[kernel],
        shown["logit"],
        s=7,
        alpha=0.35,
        color=style.MODEL,
        linewidths=0,
        rasterized=True,
        label="episode",
    )
    if np.ptp(vote) > 0:
        slope, intercept = np.polyfit(vote, logit, 1)
        axes.axline((0, intercept), slope=slope, color="black", label="least squares")
    axes.set(xlabel=f"kernel vote by {label}", ylabel="model logit (nats)")
    style.title(
        axes,
        f"{model}: Pearson {pearson_interval(vote, logit).mean:.3f}\n"
        f"(exact Bayes: {pearson_interval(vote, frame['bayes']).mean:.3f})",
    )
    style.legend(axes, loc="upper left", markerscale=2)


def _beside(frame: pd.DataFrame) -> Figure:
    """How each vote correlates with the logit, every seed, beside exact Bayes."""
    numbers, lines = {}, {}
    for kernel, label in _KERNELS.items():
        named = f"Pearson with the vote by {label}"
        correlations = [
            {"model": model, "r": pearson_interval(part[kernel], part["logit"]).mean}
            for model, part in frame.groupby("model", sort=False)
        ]
        numbers[named] = each_seed(pd.DataFrame(correlations), "r")
        bayes = pearson_interval(frame[kernel], frame["bayes"]).mean
        lines[named] = {"exact Bayes with the vote": bayes}
    return dots(numbers, lines=lines)


def _verdict(found: Findings) -> Conclusion:
    best = max(_KERNELS, key=lambda kernel: found[f"{kernel}_pearson"])
    return Conclusion(
        _sooner(found, best),
        f"of the kernel votes the one by {_KERNELS[best]} is nearest to the logit, "
        f"with Pearson {found.phrase(f'{best}_pearson', digits=3)}; exact Bayes, no "
        f"kernel vote, follows it with {found[f'{best}_bayes_pearson']:.3f}, so only "
        f"more than that would speak for a vote",
    )


def _sooner(found: Findings, kernel: str) -> bool | None:
    """Whether the logit is surely nearer to the vote than exact Bayes is."""
    is_below = found.below(f"{kernel}_pearson", found[f"{kernel}_bayes_pearson"])
    return None if is_below is None else not is_below


KERNEL_REGRESSION = Analysis(
    question="Is the model a kernel vote over the context?",
    topic=Topic.COMPUTATION,
    measure=measure,
    summarise=summarise,
    draw=draw,
    verdict=_verdict,
    headline="nearest_pearson",
    beside=_beside,
)
