"""The logit lens: each layer's residual stream, read by the model's own head.

The stream at the query token, after every block, goes through the model's own read-out
as if it were the last (logit lens). What it says is compared with the exact statistics
of the episode and, as arXiv 2603.10573 does on task B, with the label. ``embedding``
is the stream before the first block; it has not seen the context, so it cannot know
which class is which.
"""

import math

import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from icl_mlflow.analysis import style
from icl_mlflow.analysis.base import Analysis, Subject, Topic
from icl_mlflow.analysis.curves import averaged
from icl_mlflow.analysis.findings import Conclusion, Findings, all_of
from icl_mlflow.analysis.mechanism.internals import no_internals, traces, transformer_of
from icl_mlflow.analysis.sentences import band_meaning
from icl_mlflow.analysis.side_by_side import group_of, panels, seed_lines
from icl_mlflow.episodes import Episodes
from icl_mlflow.models import Transformer
from icl_mlflow.models.forward import readout
from icl_mlflow.statistics import (
    numbers_of_row,
    pearson_interval,
    slope_interval,
    spearman_interval,
)

#: Episodes traced: the full path is slow, and a correlation needs no more.
_MOST = 2_000
#: Which share of the last correlation counts as the answer.
_THERE = 0.95
_COLORS = {"Bayes": style.BAYES, "oracle": style.ORACLE, "label": style.PURPLE}
_ASSOCIATIONS = {
    "pearson": pearson_interval,
    "spearman": spearman_interval,
    "slope": slope_interval,
}


@torch.no_grad()
def lens(transformer: Transformer, episodes: Episodes) -> dict[str, Tensor]:
    """Stage to the logits that the head reads there: (B,) each, float64, nats.

    The stages: ``embedding``, ``layer 1``, ..., in order; the last is the model's own
    answer.
    """
    parameters = dict(transformer.named_parameters())
    names = ["embedding"]
    names += [f"layer {i + 1}" for i in range(transformer.architecture.n_layers)]
    read: dict[str, list[Tensor]] = {name: [] for name in names}
    for trace in traces(transformer, episodes):
        for name, residual_BSM in zip(names, trace.residual_BSM, strict=True):
            read[name].append(readout(parameters, residual_BSM[:, -1]))
    return {name: torch.cat(parts).double().cpu() for name, parts in read.items()}


def measure(subject: Subject) -> pd.DataFrame:
    """One row per stage and statistic (Bayes, oracle, label), with intervals."""
    n_episodes = min(_MOST, len(subject.truth))
    seen = subject.truth.seen.rows(0, n_episodes)
    statistics = {
        "Bayes": subject.truth.bayes_B,
        "oracle": subject.truth.oracle_B,
        "label": subject.truth.label_B,
    }
    rows = []
    for stage, logit_B in lens(transformer_of(subject), seen).items():
        for statistic, exact_B in statistics.items():
            row: dict[str, object] = {"stage": stage, "statistic": statistic}
            for name, interval_of in _ASSOCIATIONS.items():
                found = interval_of(exact_B[:n_episodes].numpy(), logit_B.numpy())
                row |= found.columns(name)
            rows.append(row)
    return pd.DataFrame(rows)


def summarise(frame: pd.DataFrame) -> dict[str, float]:
    """Pearson and Spearman at every stage, against Bayes, the oracle and the label.

    ``bayes_pearson_before_last`` is the largest before the last stage.
    """
    of_bayes = frame[frame["statistic"] == "Bayes"]["pearson"]
    numbers = {"bayes_pearson_before_last": float(of_bayes.iloc[:-1].max())}
    for row in frame.to_dict("records"):
        for name in ("pearson", "spearman"):
            key = f"{row['stage']}_{row['statistic']}_{name}".lower().replace(" ", "_")
            numbers |= numbers_of_row(row, name, key)
    return numbers


def draw(frame: pd.DataFrame) -> Figure:
    """Correlation by stage, a panel for every variant; several seeds are averaged."""
    groups = frame.groupby(frame["model"].map(group_of), sort=False)
    drawn, panels = style.small_multiples(len(groups), panel=(5.2, 4.0))
    for axes, (group, part) in zip(panels, groups, strict=True):
        n_models = part["model"].nunique()
        several = f"{n_models} models; bars: {band_meaning(n_models)}"
        bars = several if n_models > 1 else "bars: 95 % over episodes"
        style.title(axes, f"{group} ({bars})")
        _lines(axes, part)
        axes.set(
            xlabel="where the head reads the residual stream",
            ylabel="correlation with the statistic",
            ylim=(-0.25, 1.05),
        )
        style.legend(axes, loc="upper left")
    return drawn


def _lines(axes: Axes, frame: pd.DataFrame) -> None:
    axes.axhline(0, color="black", linewidth=0.8)
    for statistic, color in _COLORS.items():
        part = frame[frame["statistic"] == statistic]
        for name, line, marker in (("pearson", "-", "o"), ("spearman", "--", "s")):
            curve = averaged(part, "stage", name)
            axes.errorbar(
                curve.index,
                curve["middle"],
                yerr=[curve["middle"] - curve["low"], curve["high"] - curve["middle"]],
                color=color,
                linestyle=line,
                marker=marker,
                markersize=4,
                capsize=2,
                label=f"{statistic}, {name.title()}",
            )


def _beside(frame: pd.DataFrame) -> Figure:
    """Pearson with exact Bayes and the label by stage, of every variant and seed."""

    def paint(axes: Axes, part: pd.DataFrame) -> None:
        axes.axhline(0, color="black", linewidth=0.8)
        for statistic, color in _COLORS.items():
            own = part[part["statistic"] == statistic]
            seed_lines(axes, own, "stage", "pearson", label=statistic, color=color)

    return panels(
        frame, paint, xlabel="where the head reads", ylabel="correlation (Pearson)"
    )


def _verdict(found: Findings) -> Conclusion:
    ending = "_bayes_pearson"
    stages = [n.removesuffix(ending) for n in found.numbers if n.endswith(ending)]
    *before, last = stages
    bar = _THERE * found[f"{last}{ending}"]
    is_late = all_of(*(found.below(f"{stage}{ending}", bar) for stage in before))
    told = ", ".join(
        f"{found.phrase(f'{stage}{ending}', digits=2)} at {stage.replace('_', ' ')}"
        for stage in stages
    )
    if math.isnan(bar) or bar <= 0:
        is_late = None
    return Conclusion(
        None if is_late is None else not is_late,
        f"read by the head, the stream correlates with exact Bayes by {told}; "
        f"{_THERE:.0%} of the last before the last layer counts as present",
    )


LOGIT_LENS = Analysis(
    question="Is the answer there before the last layer?",
    topic=Topic.PLACE,
    measure=measure,
    summarise=summarise,
    draw=draw,
    verdict=_verdict,
    headline="bayes_pearson_before_last",
    beside=_beside,
    refuses=no_internals,
    most_episodes=_MOST,
)
