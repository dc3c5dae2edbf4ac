"""Is the logit a copy of the optimal test statistic?

Against the oracle's log-likelihood ratio (latents known) and against the exact Bayes
log-odds (context known), which is what a perfect in-context learner would output: there
slope 1 means calibrated, and correlation 1 the optimal test up to calibration.
Source: arXiv 2603.10573, figure "Logit vs LLR".
"""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats
from torch import Tensor

from icl_mlflow.analysis import style
from icl_mlflow.evaluation import EvaluationSet

#: Episodes drawn: more hide each other.
_DRAWN = 2_000


def measure(logit_B: Tensor, truth: EvaluationSet) -> pd.DataFrame:
    """One row per episode: ``llr``, ``bayes``, ``logit`` (nats) and ``label``."""
    return pd.DataFrame(
        {
            "llr": truth.oracle_B.numpy(),
            "bayes": truth.bayes_B.numpy(),
            "logit": logit_B.numpy(),
            "label": truth.episodes.query_y_B.cpu().numpy(),
        }
    )


def summarise(frame: pd.DataFrame) -> dict[str, float]:
    """Pearson r, Spearman rho and least-squares slope of the logit on both statistics.

    >>> perfect = pd.DataFrame({"llr": [-1.0, 0.5, 2.0], "bayes": [-1.0, 0.5, 2.0]})
    >>> numbers = summarise(perfect.assign(logit=2 * perfect["bayes"]))
    >>> round(numbers["bayes_slope"], 6), round(numbers["llr_pearson"], 6)
    (2.0, 1.0)
    """
    numbers = {}
    for name in ("llr", "bayes"):
        line = stats.linregress(frame[name], frame["logit"])
        rank = stats.spearmanr(frame[name], frame["logit"])
        numbers[f"{name}_pearson"] = float(line.rvalue)
        numbers[f"{name}_spearman"] = float(rank.statistic)
        numbers[f"{name}_slope"] = float(line.slope)
    return numbers


def draw(frame: pd.DataFrame, title: str = "") -> Figure:
    """The logit against the oracle's LLR and against the Bayes log-odds."""
    numbers = summarise(frame)
    drawn, panels = style.figure(1, 2, panel=(4.8, 4.4))
    names = {
        "llr": "oracle log-likelihood ratio (nats)",
        "bayes": "exact Bayes log-odds given the context (nats)",
    }
    for axes, (name, label) in zip(panels, names.items(), strict=True):
        _scatter(axes, frame.head(_DRAWN), name)
        axes.set(xlabel=label, ylabel="model logit (nats)")
        axes.set_title(
            f"Pearson {numbers[f'{name}_pearson']:.3f}, "
            f"Spearman {numbers[f'{name}_spearman']:.3f}, "
            f"slope {numbers[f'{name}_slope']:.2f}",
            fontsize="medium",
        )
    panels[0].legend(fontsize="small", loc="upper left")
    if title:
        drawn.suptitle(title)
    return drawn


def _scatter(axes: Axes, frame: pd.DataFrame, name: str) -> None:
    axes.axline((0, 0), slope=1, color="black", linewidth=1, label="equal")
    for label, color in ((0, style.ORANGE), (1, style.BLUE)):
        part = frame[frame["label"] == label]
        axes.scatter(
            part[name],
            part["logit"],
            s=7,
            alpha=0.35,
            color=color,
            linewidths=0,
            label=f"true label {label}",
            rasterized=True,
        )
