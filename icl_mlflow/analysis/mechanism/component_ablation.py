"""Component ablation: each head, MLP and block is taken out, and the harm measured.

What it writes is replaced by nothing, by its mean, or by what it says on another
episode: see `icl_mlflow.analysis.mechanism.components`. Harm is the drop in expected
accuracy and the increase in excess risk over exact Bayes, with paired intervals: the
same episodes before and after. Heads have no order that seeds share: of several models
the one that is missed most is compared; MLPs and blocks are compared layer by layer.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from icl_mlflow.analysis import style
from icl_mlflow.analysis.base import Analysis, Subject, Topic, taken
from icl_mlflow.analysis.findings import Conclusion, Findings
from icl_mlflow.analysis.mechanism.components import (
    HEAD,
    LAYER,
    MLP,
    WAYS,
    Place,
    answers,
)
from icl_mlflow.analysis.mechanism.internals import no_internals
from icl_mlflow.analysis.side_by_side import panels, seed_points
from icl_mlflow.evaluation import excess_risk, expected_accuracy
from icl_mlflow.statistics import holm, numbers_of_row, paired_t

#: Episodes ablated, or this share of those asked about where that is more: the head
#: that is missed most is known to a few per cent.
_MOST, _LEAST_SHARE = 2_000, 0.4
_SIGNIFICANCE = 0.05

_METRICS = {
    "excess_risk_increase": "increase in excess risk (nats)",
    "accuracy_drop": "drop in accuracy",
}


def measure(subject: Subject) -> pd.DataFrame:
    """One row per way and component: accuracy_drop, excess_risk_increase (nats).

    ``component`` is head, MLP or layer; ``head`` counts from 1, 0 for what is none.
    """
    return subject.once(_measure)


def heads(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of heads."""
    found: pd.DataFrame = frame[frame["component"] == HEAD]
    return found


def _measure(subject: Subject) -> pd.DataFrame:
    n_episodes = taken(len(subject.truth), _MOST, _LEAST_SHARE)
    bayes_B = subject.truth.bayes_B[:n_episodes]
    logits = answers(subject, n_episodes)
    rows: list[dict[str, object]] = []
    for place in _in_order(logits):
        row: dict[str, object] = {
            "way": place.way,
            "component": place.component,
            "layer": place.layer,
            "head": place.head,
        }
        rows.append(row | _harm(logits[place.whole], logits[place], bayes_B))
    frame = pd.DataFrame(rows)
    alike = frame.groupby(["way", "component"], sort=False)["p"]
    return frame.assign(p=alike.transform(lambda p: holm(p.to_numpy())))


def _in_order(places: Mapping[Place, Tensor]) -> list[Place]:
    """Way by way, block by block: heads, MLP, all of the block."""
    ways, kinds = list(WAYS), [HEAD, MLP, LAYER]
    return sorted(
        (place for place in places if place.way),
        key=lambda place: (
            ways.index(place.way),
            place.layer,
            kinds.index(place.component),
            place.head,
        ),
    )


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


def summarise(frame: pd.DataFrame) -> dict[str, float]:
    """Increase in excess risk (nats) by way and component, and each way's largest head.

    ``costliest`` is the head with the largest increase on the first half of the
    episodes, measured on the second: the largest of all is biased upwards.
    """
    numbers: dict[str, float] = {}
    for row in frame.to_dict("records"):
        names = {HEAD: f"head_{row['head']}", MLP: "mlp", LAYER: "whole"}
        key = f"{row['way']}_layer_{row['layer']}_{names[row['component']]}"
        numbers |= numbers_of_row(row, "excess_risk_increase", key)
    for way, part in heads(frame).groupby("way", sort=False):
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
    """Both harms of every head, MLP and block, a row a model."""
    models = frame.groupby("model", sort=False)
    width = max(4.5, 0.45 * _places(frame).nunique())
    drawn, panels = style.figure(len(models), 2, panel=(width, 3.4))
    rest = iter(panels)
    for model, part in models:
        for metric, label in _METRICS.items():
            axes = next(rest)
            _points(axes, part, metric)
            axes.set(ylabel=label, xlabel="layer.head, MLP, or all of a layer")
            style.title(axes, str(model))
    style.legend(panels[0], title="replaced by")
    return drawn


def _points(axes: Axes, frame: pd.DataFrame, metric: str) -> None:
    axes.axhline(0, color="black", linewidth=0.8)
    looks = {
        "zero": (style.ORANGE, "o"),
        "mean": (style.BLUE, "s"),
        "resample": (style.GREEN, "^"),
    }
    names = _places(frame).unique()
    for index, (way, (color, marker)) in enumerate(looks.items()):
        part = frame[frame["way"] == way]
        places = [place + (index - 1) * 0.2 for place in range(len(part))]
        style.interval_points(
            axes, places, part, metric, color=color, marker=marker, label=way
        )
    axes.set_xticks(range(len(names)), names, rotation=60, ha="right")


def _places(frame: pd.DataFrame) -> "pd.Series[str]":
    """Layer and head, or what else it is, of every row: ``1.2``, ``1 MLP``."""
    layer = frame["layer"].astype(str)
    by_head = layer + "." + frame["head"].astype(str)
    return by_head.where(frame["component"] == HEAD, layer + " " + frame["component"])


def _beside(frame: pd.DataFrame) -> Figure:
    """The harm of losing each component, by its mean, of every variant and seed."""
    by_mean = frame[frame["way"] == "mean"]
    y = "excess_risk_increase"

    def paint(axes: Axes, part: pd.DataFrame) -> None:
        axes.axhline(0, color="black", linewidth=0.8)
        seed_points(axes, part, "place", y, label="component", color=style.MODEL)
        axes.tick_params(axis="x", labelrotation=90)

    return panels(
        by_mean.assign(place=_places(by_mean)),
        paint,
        xlabel="replaced by its mean",
        ylabel=_METRICS[y],
    )


def _verdict(found: Findings) -> Conclusion:
    by_mean = found.frame[found.frame["way"] == "mean"]
    single = by_mean[by_mean["component"] != LAYER]
    models = heads(by_mean).groupby("model", sort=False)
    first = [_chosen(part) for _, part in models]
    named = ", ".join(dict.fromkeys(f"{row['layer']}.{row['head']}" for row in first))
    counted = " and ".join(
        f"{int(_needed(part).sum())} of {len(part)} {kind}s"
        for kind, part in single.groupby("component", sort=False)
    )
    return Conclusion(
        True if _needed(single).any() else None,
        f"with its output replaced by its mean, {counted}"
        f"{' of all models' if len(first) > 1 else ''} are surely missed (after Holm); "
        f"the head that is missed most (layer.head {named}, chosen on one half of the "
        f"episodes and measured on the other) costs "
        f"{found.phrase('mean_costliest', 'nats')}, by zero "
        f"{found['zero_costliest']:.4f}; {_layer_by_layer(found)}",
    )


def _layer_by_layer(found: Findings) -> str:
    """What MLPs and whole layers cost, with intervals over episodes or seeds."""
    n_layers = int(found.frame["layer"].max())
    told = [
        f"{layer} {found.phrase(f'mean_layer_{layer}_{key}', 'nats', 3)}"
        for key in ("mlp", "whole")
        for layer in range(1, n_layers + 1)
    ]
    mlps, layers = told[:n_layers], told[n_layers:]
    return f"the MLP of layer {', '.join(mlps)}; all of layer {', '.join(layers)}"


COMPONENT_ABLATION = Analysis(
    question="Does the answer need single heads and MLPs, and which?",
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
