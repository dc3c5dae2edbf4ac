"""Is one model better than another? Paired: by seed, and on the very same episodes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from icl_mlflow.analysis import style
from icl_mlflow.evaluation import EvaluationSet, excess_risk
from icl_mlflow.statistics import paired_difference
from icl_mlflow.statistics.sample import Sample

#: What is compared, and its unit.
METRICS = {"accuracy": "in [0, 1]", "excess_risk": "nats", "loss": "nats"}
_HEADLINE = "excess_risk"


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two models and what they answered to the same episodes.

    Attributes:
        first, second: their names; the second is judged.
        first_logit_B, second_logit_B: log-odds, float64, nats.
    """

    first: str
    second: str
    first_logit_B: Tensor
    second_logit_B: Tensor


def measure(pairs: Sequence[Pair], truth: EvaluationSet) -> pd.DataFrame:
    """One row per pair and metric: ``first``, ``second`` and their difference."""
    rows = []
    for pair in pairs:
        first = _by_episode(pair.first_logit_B, truth)
        second = _by_episode(pair.second_logit_B, truth)
        for metric in METRICS:
            means = first[metric].mean(), second[metric].mean()
            rows.append(
                {
                    "first_model": pair.first,
                    "second_model": pair.second,
                    "metric": metric,
                    "first": means[0],
                    "second": means[1],
                    "difference": means[1] - means[0],
                }
            )
    return pd.DataFrame(rows)


def compare(pairs: Sequence[Pair], truth: EvaluationSet, seed: int) -> pd.DataFrame:
    """One row a metric: both means, the difference second - first, and its intervals.

    ``low`` and ``high`` end the 95 % interval over seeds (paired t); of a single pair,
    the one over episodes (bootstrap), which says nothing about other seeds.
    ``episodes_low`` and ``episodes_high`` always end the one over episodes. ``p`` is of
    "no difference" over seeds, NaN for a single pair.
    """
    first = [_by_episode(pair.first_logit_B, truth) for pair in pairs]
    second = [_by_episode(pair.second_logit_B, truth) for pair in pairs]
    rows = []
    for metric, unit in METRICS.items():
        first_SB = np.stack([values[metric] for values in first])
        second_SB = np.stack([values[metric] for values in second])
        found = paired_difference(second_SB, first_SB, np.random.default_rng(seed))
        over_seeds, episodes = found.seeds.difference, found.episodes
        shown = over_seeds if len(pairs) > 1 else episodes
        rows.append(
            {
                "metric": metric,
                "unit": unit,
                "first": first_SB.mean(),
                "second": second_SB.mean(),
                "difference": over_seeds.mean,
                "low": shown.low,
                "high": shown.high,
                "p": found.seeds.p,
                "episodes_low": episodes.low,
                "episodes_high": episodes.high,
                "pairs": len(pairs),
            }
        )
    return pd.DataFrame(rows)


def verdict(table: pd.DataFrame, first: str, second: str) -> str:
    """The sentence that answers the question, from the table of `compare`."""
    (row,) = table[table["metric"] == _HEADLINE].to_dict("records")
    interval = f"[{row['low']:.4f}, {row['high']:.4f}]"
    over = f"{row['pairs']} seeds" if row["pairs"] > 1 else "episodes, one pair only"
    size = f"{abs(row['difference']):.4f} nats of excess risk"
    if row["low"] <= 0 <= row["high"]:
        return (
            f"{second} and {first} cannot be told apart: {row['difference']:+.4f} nats "
            f"of excess risk, 95 % interval {interval} over {over}."
        )
    better = "better" if row["difference"] < 0 else "worse"
    return (
        f"{second} is {better} than {first} by {size}, "
        f"95 % interval {interval} of the difference over {over}."
    )


def draw(table: pd.DataFrame, pairs: pd.DataFrame, title: str) -> Figure:
    """The difference in every metric: pair by pair, and the mean with its interval.

    Args:
        table: of `compare`.
        pairs: of `measure`.
        title: above the figure.
    """
    drawn, panels = style.figure(1, len(METRICS), panel=(4.2, 2.6))
    for axes, row in zip(panels, table.to_dict("records"), strict=True):
        each = pairs.loc[pairs["metric"] == row["metric"], "difference"]
        axes.axvline(0, color="black", linewidth=1)
        axes.plot([row["low"], row["high"]], [1, 1], color=style.MODEL, linewidth=2.5)
        axes.plot(row["difference"], 1, "o", color=style.MODEL, markersize=8)
        axes.plot(each, np.zeros(len(each)), "o", color=style.GREY, alpha=0.7)
        axes.set_yticks([0, 1], ["each pair", "mean, 95 % interval"])
        axes.set_ylim(-0.7, 1.7)
        name = str(row["metric"]).replace("_", " ")
        axes.set_xlabel(f"difference in {name} ({row['unit']})")
    for axes in panels[1:]:
        axes.set_yticklabels([])
    drawn.suptitle(title, fontsize="medium")
    return drawn


def metrics(table: pd.DataFrame) -> dict[str, float]:
    """By tracked name: ``difference/accuracy``, its ``/low`` and ``/high``."""
    found: dict[str, float] = {}
    for row in table.to_dict("records"):
        key = f"difference/{row['metric']}"
        found[key] = float(row["difference"])
        for end in ("low", "high"):
            if math.isfinite(row[end]):
                found[f"{key}/{end}"] = float(row[end])
    return found


def _by_episode(logit_B: Tensor, truth: EvaluationSet) -> dict[str, Sample]:
    label_B = truth.label_B
    loss_B = binary_cross_entropy_with_logits(logit_B, label_B, reduction="none")
    return {
        "accuracy": ((logit_B > 0) == label_B.bool()).double().numpy(),
        "excess_risk": excess_risk(logit_B, truth.bayes_B).numpy(),
        "loss": loss_B.numpy(),
    }
