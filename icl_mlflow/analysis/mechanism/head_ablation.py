"""Head ablation: each attention head is taken out, and the harm measured.

A head's output, before the output projection and at every token, is replaced by

    zero        nothing, as published with arXiv 2603.10573;
    mean        its mean over episodes, token by token: what is left is what it always
                says, so only what it says of this episode is lost;
    resample    what it says on another episode: an output that the model knows.

Zero can throw the model off distribution and so overstates; the other two do not. Harm
is the drop in expected accuracy and the increase in excess risk over exact Bayes, with
paired intervals: the same episodes before and after.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from icl_mlflow.analysis import style
from icl_mlflow.analysis.base import Analysis, Subject, Topic, taken
from icl_mlflow.analysis.findings import Conclusion, Findings
from icl_mlflow.analysis.mechanism.internals import no_internals, traces, transformer_of
from icl_mlflow.analysis.mechanism.ov_alignment import places
from icl_mlflow.analysis.side_by_side import panels, seed_points
from icl_mlflow.episodes import Episodes
from icl_mlflow.evaluation import excess_risk, expected_accuracy
from icl_mlflow.models import Transformer
from icl_mlflow.models.forward import logits_from_heads
from icl_mlflow.statistics import holm, numbers_of_row, paired_t

#: Episodes ablated, or this share of those asked about where that is more: the head
#: that is missed most is known to a few per cent.
_MOST, _LEAST_SHARE = 2_000, 0.4
_SIGNIFICANCE = 0.05


@dataclass(frozen=True)
class _Said:
    """The outputs of one block's heads, before the output projection.

    Attributes:
        here: on these episodes, (B, H, S, K).
        before: on the episode before each of them, (B, H, S, K).
        mean: over all episodes, (H, S, K).
    """

    here: Tensor
    before: Tensor
    mean: Tensor


#: What is put in the place of a head's outputs.
_WAYS: Mapping[str, Callable[[_Said], Tensor]] = {
    "zero": lambda said: torch.zeros_like(said.here),
    "mean": lambda said: said.mean.expand_as(said.here),
    # Episodes are independent of each other: the one before is a random other one.
    "resample": lambda said: said.before,
}
#: The way in which nothing is replaced; its head is 0.
_WHOLE = ""

#: Way, layer and head, from 1.
_Place = tuple[str, int, int]

_METRICS = {
    "excess_risk_increase": "increase in excess risk (nats)",
    "accuracy_drop": "drop in accuracy",
}


def measure(subject: Subject) -> pd.DataFrame:
    """One row per way, layer and head: accuracy_drop, excess_risk_increase (nats)."""
    return subject.once(_measure)


def _measure(subject: Subject) -> pd.DataFrame:
    n_episodes = taken(len(subject.truth), _MOST, _LEAST_SHARE)
    bayes_B = subject.truth.bayes_B[:n_episodes]
    parts: dict[_Place, list[Tensor]] = {}
    for place, logit_B in _answers(subject, n_episodes):
        parts.setdefault(place, []).append(logit_B.double().cpu())
    logits = {place: torch.cat(chunks) for place, chunks in parts.items()}
    rows = []
    for way in _WAYS:
        for (replaced_by, layer, head), ablated_B in logits.items():
            if replaced_by == way:
                row: dict[str, object] = {"way": way, "layer": layer, "head": head}
                rows.append(row | _harm(logits[_WHOLE, layer, 0], ablated_B, bayes_B))
    frame = pd.DataFrame(rows)
    by_way = frame.groupby("way", sort=False)["p"]
    return frame.assign(p=by_way.transform(lambda p: holm(p.to_numpy())))


def _harm(whole_B: Tensor, ablated_B: Tensor, bayes_B: Tensor) -> dict[str, object]:
    """Both harms with their 95 % intervals, paired by episode.

    ``p`` is of no increase in excess risk, ``first_half`` and ``second_half`` are the
    increase on half of the episodes each: a head that is chosen by the one for its harm
    is measured without bias by the other.
    """
    drop_B = expected_accuracy(whole_B, bayes_B) - expected_accuracy(ablated_B, bayes_B)
    increase_B = excess_risk(ablated_B, bayes_B) - excess_risk(whole_B, bayes_B)
    increase, middle = paired_t(increase_B.numpy()), len(increase_B) // 2
    second_half = paired_t(increase_B[middle:].numpy()).difference
    return {
        **paired_t(drop_B.numpy()).difference.columns("accuracy_drop"),
        **increase.difference.columns("excess_risk_increase"),
        "p": increase.p,
        "first_half": float(increase_B[:middle].mean()),
        **second_half.columns("second_half"),
    }


@torch.no_grad()
def _answers(subject: Subject, n_episodes: int) -> Iterator[tuple[_Place, Tensor]]:
    """The logits of one chunk at each place, for all chunks.

    Every answer of a layer, the whole model's too, is computed from that layer's heads
    on: so what changes nothing differs by nothing.
    """
    transformer = transformer_of(subject)
    parameters = dict(transformer.named_parameters())
    seen = subject.truth.seen.rows(0, n_episodes)
    means_HSK, before_1HSK = _means_and_last(transformer, seen)
    for trace in traces(transformer, seen):
        for index, here_BHSK in enumerate(trace.head_output_BHSK):
            before_BHSK = torch.cat([before_1HSK[index], here_BHSK[:-1]])
            before_1HSK[index] = here_BHSK[-1:]
            said = _Said(here=here_BHSK, before=before_BHSK, mean=means_HSK[index])
            for way, head, output_BHSK in _replaced(said):
                logit_B = logits_from_heads(
                    parameters,
                    transformer.architecture,
                    index,
                    trace.residual_BSM[index],
                    output_BHSK,
                )
                yield (way, index + 1, head), logit_B


def _replaced(said: _Said) -> Iterator[tuple[str, int, Tensor]]:
    """Way and head (from 1) with the outputs of all heads; first, as they are."""
    yield _WHOLE, 0, said.here
    for way, replacement in _WAYS.items():
        replaced_BHSK = replacement(said)
        for head in range(said.here.shape[1]):
            output_BHSK = said.here.clone()
            output_BHSK[:, head] = replaced_BHSK[:, head]
            yield way, head + 1, output_BHSK


def _means_and_last(
    transformer: Transformer, seen: Episodes
) -> tuple[list[Tensor], list[Tensor]]:
    """Of every layer, its heads' mean outputs (H, S, K), and the last episode's."""
    totals_HSK = [torch.zeros(()) for _ in range(transformer.architecture.n_layers)]
    last_1HSK: list[Tensor] = []
    for trace in traces(transformer, seen):
        for index, output_BHSK in enumerate(trace.head_output_BHSK):
            totals_HSK[index] = totals_HSK[index] + output_BHSK.sum(0)
        last_1HSK = [output_BHSK[-1:].clone() for output_BHSK in trace.head_output_BHSK]
    return [total_HSK / len(seen) for total_HSK in totals_HSK], last_1HSK


def summarise(frame: pd.DataFrame) -> dict[str, float]:
    """Increase in excess risk (nats) by way, layer and head, and each way's largest.

    ``costliest`` is the head with the largest increase on the first half of the
    episodes, measured on the second: the largest of all is biased upwards.
    """
    numbers: dict[str, float] = {}
    for way, part in frame.groupby("way", sort=False):
        for row in part.to_dict("records"):
            key = f"{way}_layer_{row['layer']}_head_{row['head']}"
            numbers |= numbers_of_row(row, "excess_risk_increase", key)
        numbers[f"{way}_largest"] = float(part["excess_risk_increase"].max())
        numbers[f"{way}_largest_accuracy_drop"] = float(part["accuracy_drop"].max())
        numbers[f"{way}_share_needed"] = float(_needed(part).mean())
        numbers |= numbers_of_row(_chosen(part), "second_half", f"{way}_costliest")
    return numbers


def _chosen(frame: pd.DataFrame) -> Mapping[Any, Any]:
    """The row of the head that costs most on the first half of the episodes."""
    by_cost = frame.sort_values("first_half", ascending=False)
    row: Mapping[Any, Any] = by_cost.to_dict("records")[0]
    return row


def _needed(frame: pd.DataFrame) -> "pd.Series[bool]":
    """Which heads are surely missed, after Holm over the heads of a model and way."""
    return (frame["p"] <= _SIGNIFICANCE) & (frame["excess_risk_increase"] > 0)


def draw(frame: pd.DataFrame) -> Figure:
    """Both harms of every head, a row a model."""
    models = frame.groupby("model", sort=False)
    n_heads = len(frame[["layer", "head"]].drop_duplicates())
    width = max(4.5, 0.55 * n_heads)
    drawn, panels = style.figure(len(models), 2, panel=(width, 3.4))
    rest = iter(panels)
    for model, part in models:
        for metric, label in _METRICS.items():
            axes = next(rest)
            _points(axes, part, metric)
            axes.set(ylabel=label, xlabel="layer.head")
            axes.set_title(str(model), fontsize="medium")
    panels[0].legend(title="replaced by", fontsize="small")
    return drawn


def _points(axes: Axes, frame: pd.DataFrame, metric: str) -> None:
    axes.axhline(0, color="black", linewidth=0.8)
    looks = {
        "zero": (style.ORANGE, "o"),
        "mean": (style.BLUE, "s"),
        "resample": (style.GREEN, "^"),
    }
    names = (frame["layer"].astype(str) + "." + frame["head"].astype(str)).unique()
    for index, (way, (color, marker)) in enumerate(looks.items()):
        part = frame[frame["way"] == way]
        value = part[metric]
        axes.errorbar(
            [place + (index - 1) * 0.2 for place in range(len(part))],
            value,
            yerr=[value - part[f"{metric}_low"], part[f"{metric}_high"] - value],
            color=color,
            marker=marker,
            markersize=5,
            linestyle="none",
            capsize=2,
            label=way,
        )
    axes.set_xticks(range(len(names)), names)


def _beside(frame: pd.DataFrame) -> Figure:
    """The harm of losing each head, by its mean, of every variant and seed."""
    by_mean = frame[frame["way"] == "mean"]
    y = "excess_risk_increase"

    def paint(axes: Axes, part: pd.DataFrame) -> None:
        axes.axhline(0, color="black", linewidth=0.8)
        seed_points(axes, part, "place", y, label="head", color=style.MODEL)

    return panels(
        by_mean.assign(place=places(by_mean)),
        paint,
        xlabel="layer.head, replaced by its mean",
        ylabel=_METRICS[y],
    )


def _verdict(found: Findings) -> Conclusion:
    by_mean = found.frame[found.frame["way"] == "mean"]
    needed = _needed(by_mean)
    models = by_mean.groupby("model", sort=False)
    first = [_chosen(part) for _, part in models]
    named = ", ".join(dict.fromkeys(f"{row['layer']}.{row['head']}" for row in first))
    several = len(first) > 1
    return Conclusion(
        True if needed.any() else None,
        f"with its output replaced by its mean, {int(needed.sum())} of {len(by_mean)} "
        f"heads{' of all models' if several else ''} are surely missed (after Holm); "
        f"the one that is missed most (layer.head {named}, chosen on one half of the "
        f"episodes and measured on the other) costs "
        f"{found.phrase('mean_costliest', 'nats')}, by zero "
        f"{found['zero_costliest']:.4f}",
    )


HEAD_ABLATION = Analysis(
    question="Does the answer need single attention heads, and which?",
    topic=Topic.PLACE,
    measure=measure,
    summarise=summarise,
    draw=draw,
    verdict=_verdict,
    headline="mean_costliest",
    beside=_beside,
    refuses=no_internals,
    most_episodes=_MOST,
    least_share=_LEAST_SHARE,
)
