"""Attention by role: from whom does a token take, and does nearness or class decide it?

Of every head, the query's attention and that of the context's tokens, by the role of
what is attended to: points of the reader's own class, of the other class, the reader
itself, the query. Beside the masses stand, of the query, episode by episode:

    class contrast  the log of what a point of its (true) class gets over one of the
                    other class;
    closeness       the correlation of log attention with the nearness of the point to
                    the query;
    typicality      the same with the nearness of the point to the mean of its class.

The two latter are within an episode, over its context points. Uniform attention has a
contrast and correlations of 0; a kernel vote attends by closeness.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from icl_mlflow.analysis import style
from icl_mlflow.analysis.base import Analysis, Subject, Topic
from icl_mlflow.analysis.findings import Conclusion, Findings
from icl_mlflow.analysis.mechanism.attention.roles import (
    Points,
    by_point,
    measured,
)
from icl_mlflow.analysis.mechanism.internals import (
    no_internals,
    parts_to_trace,
    traces,
    transformer_of,
)
from icl_mlflow.analysis.mechanism.ov_alignment import places
from icl_mlflow.models import EMBEDDINGS
from icl_mlflow.statistics import Interval, numbers_of_row, t_interval

_MOST = 500
#: A correlation or contrast below which a head does not attend by it.
_SMALLEST = 0.1
_MASSES = ("same_class", "other_class", "itself", "query")
_DEPENDENCES = ("class_contrast", "closeness", "typicality")
_LABELS = {
    "class_contrast": "class contrast (log ratio)",
    "closeness": "closeness to the query (correlation)",
    "typicality": "closeness to its class's mean (correlation)",
}


def measure(subject: Subject) -> pd.DataFrame:
    """One row per layer, head and reader: masses, and of the query what they go by."""
    values: dict[tuple[int, str, str], list[Tensor]] = {}
    transformer = transformer_of(subject)
    seen = subject.truth.seen.rows(0, min(_MOST, len(subject.truth)))
    per_point = EMBEDDINGS[transformer.architecture.embedding].n_tokens(1) - 1
    parts = parts_to_trace(seen)
    for part, trace in zip(parts, traces(transformer, seen), strict=True):
        about = Points.of(part)
        for layer, pattern_BHSS in enumerate(trace.pattern_BHSS):
            attention_BHPP = by_point(pattern_BHSS, per_point)
            for reader, name, value_BH in measured(attention_BHPP, about):
                at = (layer + 1, reader, name)
                values.setdefault(at, []).append(value_BH.cpu())
    return _table(values)


def _table(values: Mapping[tuple[int, str, str], list[Tensor]]) -> pd.DataFrame:
    """One row per layer, head and reader, with intervals over episodes."""
    rows: dict[tuple[int, int, str], dict[str, object]] = {}
    for (layer, reader, name), chunks in values.items():
        for head, value_B in enumerate(torch.cat(chunks).unbind(1)):
            at = (layer, head + 1, reader)
            rows.setdefault(at, {"layer": layer, "head": head + 1, "reader": reader})
            rows[at] |= _told(name, value_B[value_B.isfinite()].numpy())
    return pd.DataFrame(list(rows.values()))


def _told(name: str, value_B: np.ndarray) -> dict[str, object]:
    """The mean and its interval; of what attention goes by, on half of it each too."""
    if not len(value_B):
        return Interval(np.nan, np.nan, np.nan, 0).columns(name)
    row = t_interval(value_B).columns(name)
    if name == "closeness":
        middle = max(1, len(value_B) // 2)
        row["first_half"] = float(value_B[:middle].mean())
        row |= t_interval(value_B[-middle:]).columns("second_half")
    return row


def summarise(frame: pd.DataFrame) -> dict[str, float]:
    """Masses by reader and head, and what the query's attention goes by.

    ``strongest_closeness`` is of the head whose attention goes most by closeness on
    half of the episodes, in its direction there, measured on the other half.
    """
    numbers = _strongest(_chosen(frame))
    for row in frame.to_dict("records"):
        key = f"{row['reader']}_layer_{row['layer']}_head_{row['head']}"
        for name in _MASSES:
            numbers |= numbers_of_row(row, name, f"{key}_{name}")
        if row["reader"] == "query":
            for name in _DEPENDENCES:
                numbers |= numbers_of_row(row, name, f"{key}_{name}")
    return numbers


def _strongest(row: Mapping[Any, Any]) -> dict[str, float]:
    """The correlation on the second half, positive where the first half is alike."""
    sign = -1.0 if row["first_half"] < 0 else 1.0
    low, high = sorted(sign * row[f"second_half_{end}"] for end in ("low", "high"))
    found = Interval(sign * row["second_half"], low, high, 1)
    return found.numbers("strongest_closeness")


def _chosen(frame: pd.DataFrame) -> Mapping[Any, Any]:
    """The row of the head that goes most by closeness on half of the episodes."""
    of_query = frame[frame["reader"] == "query"]
    size = of_query["first_half"].abs().sort_values(ascending=False)
    row: Mapping[Any, Any] = of_query.loc[size.index].to_dict("records")[0]
    return row


def draw(frame: pd.DataFrame) -> Figure:
    """From whom the query takes, and what that goes by, a row a model."""
    of_query = frame[frame["reader"] == "query"]
    models = of_query.groupby("model", sort=False)
    n_heads = len(of_query[["layer", "head"]].drop_duplicates())
    panel = (max(4.5, 0.6 * n_heads), 3.6)
    drawn, panels = style.figure(len(models), 2, panel=panel)
    rest = iter(panels)
    for model, part in models:
        for paint in (_masses, _dependences):
            axes = next(rest)
            paint(axes, part)
            style.title(axes, str(model))
            axes.set_xlabel("layer.head")
    style.legend_below(drawn, panels, most_columns=3)
    return drawn


def _masses(axes: Axes, frame: pd.DataFrame) -> None:
    """Stacked bars by role."""
    names, bottom = list(places(frame)), np.zeros(len(frame))
    colors = (style.BLUE, style.ORANGE, style.PURPLE, style.GREY)
    for name, color in zip(_MASSES, colors, strict=True):
        value = frame[name].to_numpy()
        if value.any():
            label = "the query itself" if name == "query" else name.replace("_", " ")
            axes.bar(names, value, bottom=bottom, color=color, label=label)
            bottom += value
    axes.set(ylabel="attention of the query", ylim=(0, 1))


def _dependences(axes: Axes, frame: pd.DataFrame) -> None:
    axes.axhline(0, color="black", linewidth=0.8)
    looks = ((style.BLUE, "o"), (style.RED, "s"), (style.GREEN, "^"))
    for index, (name, look) in enumerate(zip(_DEPENDENCES, looks, strict=True)):
        style.interval_points(
            axes,
            [place + 0.2 * (index - 1) for place in range(len(frame))],
            frame,
            name,
            color=look[0],
            marker=look[1],
            label=_LABELS[name],
        )
    axes.set_xticks(range(len(frame)), list(places(frame)))
    axes.set_ylabel("what it goes by")


def _verdict(found: Findings) -> Conclusion:
    below = found.below("strongest_closeness", _SMALLEST)
    of_query = found.frame[found.frame["reader"] == "query"]
    chosen = [_chosen(part) for _, part in of_query.groupby("model", sort=False)]
    named = dict.fromkeys(
        f"{row['layer']}.{row['head']} ({'far' if row['first_half'] < 0 else 'near'})"
        for row in chosen
    )
    contrast = of_query["class_contrast"].abs().max()
    typical = of_query["typicality"].abs().max()
    own = of_query[["itself", "query"]].sum(axis=1).max()
    return Conclusion(
        None if below is None else not below,
        f"layer.head {', '.join(named)} attends most by nearness to the query, or by "
        f"distance: a correlation of {found.phrase('strongest_closeness', digits=2)} "
        "(chosen on half of the episodes, measured on the other); the largest contrast "
        f"between classes is {contrast:.2f}, the largest correlation with nearness to "
        f"a class's mean {typical:.2f}; the query gives itself at most {own:.0%}",
    )


ATTENTION_BY_ROLE = Analysis(
    question="Does the query attend to points for their nearness or distance?",
    topic=Topic.PATH,
    measure=measure,
    summarise=summarise,
    draw=draw,
    verdict=_verdict,
    headline="strongest_closeness",
    refuses=no_internals,
    most_episodes=_MOST,
)
