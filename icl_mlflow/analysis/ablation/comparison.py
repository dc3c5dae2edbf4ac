"""Comparison of two models, paired by seed, on the very same episodes."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from icl_mlflow.analysis import style
from icl_mlflow.analysis.ablation.decision import (
    FEWEST_PAIRS,
    SMALLEST_OF_INTEREST,
    Evidence,
    Kind,
    decide,
)
from icl_mlflow.analysis.sentences import band_meaning, seeds_phrase
from icl_mlflow.evaluation import EvaluationSet, excess_risk
from icl_mlflow.statistics import Interval, order_interval, paired_difference
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
    """One row a metric: both means, the difference second - first, and its ends.

    ``low`` and ``high`` are the ends of `order_interval` over the pairs: the lowest and
    the highest or, from six pairs on, where the median lies; of a single pair, those of
    the 95 % interval over episodes (bootstrap), which says nothing about other seeds.
    ``episodes_low`` and ``episodes_high`` always end the one over episodes. ``p`` is of
    "no difference" over seeds (paired t), NaN for a single pair; ``each`` lists every
    pair's difference.
    """
    first = [_by_episode(pair.first_logit_B, truth) for pair in pairs]
    second = [_by_episode(pair.second_logit_B, truth) for pair in pairs]
    rows = []
    for metric, unit in METRICS.items():
        first_SB = np.stack([values[metric] for values in first])
        second_SB = np.stack([values[metric] for values in second])
        found = paired_difference(second_SB, first_SB, np.random.default_rng(seed))
        differences = (second_SB - first_SB).mean(axis=1)
        episodes = found.episodes
        ends = order_interval(differences) if len(pairs) > 1 else episodes
        rows.append(
            {
                "metric": metric,
                "unit": unit,
                "first": first_SB.mean(),
                "second": second_SB.mean(),
                "difference": differences.mean(),
                "low": ends.low,
                "high": ends.high,
                "p": found.seeds.p,
                "episodes_low": episodes.low,
                "episodes_high": episodes.high,
                "pairs": len(pairs),
                "each": " ".join(map(repr, differences.tolist())),
            }
        )
    return pd.DataFrame(rows)


def verdict(table: pd.DataFrame, first: str, second: str) -> str:
    """The sentence that answers the question, from the table of `compare`.

    Over several pairs by the rule of `icl_mlflow.analysis.ablation.decision`; of one
    pair, by the interval over episodes, and about these two models alone.
    """
    (row,) = table[table["metric"] == _HEADLINE].to_dict("records")
    size = f"{row['difference']:+.4f} nats of excess risk"
    if row["pairs"] == 1:
        told = f"[{row['low']:+.4f}, {row['high']:+.4f}], 95 % over episodes"
        what = _of_one_pair(row)
        rest = "; one pair says nothing of other seeds"
    else:
        gaps = [float(gap) for gap in str(row["each"]).split()]
        ends = (row["low"], row["high"])
        told = seeds_phrase(Interval(row["difference"], *ends, len(gaps)))
        what, rest = _of_seeds(gaps)
    return f"{second} {what} {first}: {size} ({told}){rest}."


def _of_one_pair(row: Mapping[Any, Any]) -> str:
    if row["low"] > -SMALLEST_OF_INTEREST and row["high"] < SMALLEST_OF_INTEREST:
        return "is as good as"
    if row["high"] < 0:
        return "is better than"
    return "is worse than" if row["low"] > 0 else "cannot be told apart from"


def _of_seeds(gaps: Sequence[float]) -> tuple[str, str]:
    """What is said, and the test behind it."""
    n = len(gaps)
    evidence = Evidence(
        took_off=n, n_seeds=n, baseline_took_off=n, baseline_seeds=n, gaps=gaps
    )
    (found,) = decide([evidence])
    margin = f"{SMALLEST_OF_INTEREST} nats"
    p = f"p = {found.p_difference:.2g} that it is within {margin}"
    if found.kind == Kind.UNAFFECTED:
        return "is as good as", f"; what difference there is is within {margin}"
    if found.kind in {Kind.HURT, Kind.HELPED}:
        better = "better" if found.kind == Kind.HELPED else "worse"
        return f"is {better} than", f"; {p}"
    if n < FEWEST_PAIRS:
        return "cannot be told apart from", f"; {FEWEST_PAIRS} pairs are the fewest"
    return "cannot be told apart from", f"; {p}"


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
        axes.set_yticks([0, 1], ["each pair", _ends_text(int(row["pairs"]))])
        axes.set_ylim(-0.7, 1.7)
        axes.xaxis.set_major_locator(MaxNLocator(4))  # differences have many digits
        name = str(row["metric"]).replace("_", " ")
        axes.set_xlabel(f"{name}, second minus first ({row['unit']})")
    for axes in panels[1:]:
        axes.set_yticklabels([])
    style.heading(drawn, title)
    return drawn


def _ends_text(n_pairs: int) -> str:
    if n_pairs == 1:
        return "mean, 95 %\nover episodes"
    return f"mean,\n{band_meaning(n_pairs)}"


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
