"""Which attention heads does the answer need? Each is taken out, and the harm measured.

A head's output, before the output projection and at every token, is replaced by

    zero        nothing, as published with arXiv 2603.10573;
    mean        its mean over episodes, token by token: what is left is what it always
                says, so only what it says of this episode is lost;
    resample    what it says on another episode: an output that the model knows.

Zero can throw the model off distribution and so overstates; the other two do not. Harm
is the drop in expected accuracy and the increase in excess risk over exact Bayes, with
paired intervals: the same episodes before and after.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from icl_mlflow.analysis import ends, style
from icl_mlflow.analysis.base import Analysis, Subject
from icl_mlflow.analysis.internals import no_internals, transformer_of
from icl_mlflow.evaluation import excess_risk, expected_accuracy
from icl_mlflow.models import Edit, Site
from icl_mlflow.statistics import paired_t

#: Episodes ablated: every head and way is a full pass, and pairing needs few.
_MOST = 400
_CHUNK = 256

#: A head's outputs on a chunk of episodes (B, S, K) to what replaces them.
_WAYS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "zero": torch.zeros_like,
    "mean": lambda output_BSK: output_BSK.mean(0, keepdim=True).expand_as(output_BSK),
    # Episodes are independent of each other, so the next one is a random other one.
    "resample": lambda output_BSK: output_BSK.roll(1, dims=0),
}
_METRICS = {
    "excess_risk_increase": "increase in excess risk (nats)",
    "accuracy_drop": "drop in accuracy",
}


def measure(subject: Subject) -> pd.DataFrame:
    """One row per way, layer and head: accuracy_drop, excess_risk_increase (nats)."""
    return impacts(subject, tuple(_WAYS))


def impacts(subject: Subject, ways: Sequence[str]) -> pd.DataFrame:
    """The harm of taking out each head in each of these ways, with 95 % intervals."""
    n_episodes = min(_MOST, len(subject.truth))
    bayes_B = subject.truth.bayes_B[:n_episodes]
    logits: dict[tuple[str, int, int], list[Tensor]] = {}
    for at, logit_B in _answers(subject, ways, n_episodes):
        logits.setdefault(at, []).append(logit_B.double().cpu())
    whole_B = torch.cat(logits.pop(_WHOLE))
    rows = []
    for (way, layer, head), parts in logits.items():
        ablated_B = torch.cat(parts)
        row: dict[str, object] = {"way": way, "layer": layer, "head": head}
        for metric, difference_B in (
            (
                "accuracy_drop",
                expected_accuracy(whole_B, bayes_B)
                - expected_accuracy(ablated_B, bayes_B),
            ),
            (
                "excess_risk_increase",
                excess_risk(ablated_B, bayes_B) - excess_risk(whole_B, bayes_B),
            ),
        ):
            row |= ends.columns(metric, paired_t(difference_B.numpy()).difference)
        rows.append(row)
    return pd.DataFrame(rows)


#: Where nothing is taken out.
_WHOLE = ("", 0, 0)


@torch.no_grad()
def _answers(
    subject: Subject, ways: Sequence[str], n_episodes: int
) -> Iterator[tuple[tuple[str, int, int], Tensor]]:
    """Way, layer and head (from 1) with the logits of one chunk, for all chunks."""
    transformer = transformer_of(subject)
    # Chunks of equal size: a single last episode would have no other to resample.
    size = math.ceil(n_episodes / math.ceil(n_episodes / _CHUNK))
    for start in range(0, n_episodes, size):
        part = subject.truth.seen.rows(start, min(start + size, n_episodes))
        episodes = (part.context_x_BND, part.context_y_BN, part.query_x_BD)
        whole = transformer.trace(*episodes)
        yield _WHOLE, whole.logit_B
        for way in ways:
            for layer, output_BHSK in enumerate(whole.head_output_BHSK):
                for head in range(output_BHSK.shape[1]):
                    replaced_BSK = _WAYS[way](output_BHSK[:, head])
                    edit = _replace(Site("head_output", layer), head, replaced_BSK)
                    logit_B = transformer.trace(*episodes, edit).logit_B
                    yield (way, layer + 1, head + 1), logit_B


def _replace(where: Site, head: int, replaced_BSK: Tensor) -> Edit:
    def edit(site: Site, value: Tensor) -> Tensor:
        if site != where:
            return value
        edited_BHSK = value.clone()
        edited_BHSK[:, head] = replaced_BSK
        return edited_BHSK

    return edit


def summarise(frame: pd.DataFrame) -> dict[str, float]:
    """Increase in excess risk (nats) by way, layer and head, and each way's largest."""
    numbers: dict[str, float] = {}
    for way, part in frame.groupby("way", sort=False):
        for row in part.to_dict("records"):
            key = f"{way}_layer_{row['layer']}_head_{row['head']}"
            numbers |= ends.numbers_of_row(key, row, "excess_risk_increase")
        numbers[f"{way}_largest"] = float(part["excess_risk_increase"].max())
        numbers[f"{way}_largest_accuracy_drop"] = float(part["accuracy_drop"].max())
        needed = part["excess_risk_increase_low"] > 0
        numbers[f"{way}_share_needed"] = float(needed.mean())
    return numbers


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


def _verdict(numbers: Mapping[str, float]) -> str:
    return (
        f"With a head's output replaced by its mean, "
        f"{numbers['mean_share_needed']:.0%} of the heads are missed (interval above "
        f"0); the one missed most costs "
        f"{numbers['mean_largest']:.3f} nats and "
        f"{numbers['mean_largest_accuracy_drop']:.3f} accuracy; by zero, "
        f"{numbers['zero_largest']:.3f} nats."
    )


HEAD_ABLATION = Analysis(
    question="Which attention heads does the answer need?",
    measure=measure,
    summarise=summarise,
    draw=draw,
    verdict=_verdict,
    refuses=no_internals,
    most_episodes=_MOST,
)
