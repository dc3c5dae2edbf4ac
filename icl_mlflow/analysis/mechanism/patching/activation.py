"""Activation patching: which part brings another episode's answer, and at which tokens?

Pairs differ in one respect (`pairs`). What a part says on the source is put into the
target's run; the effect is by how much that raises the excess risk over the target's
exact Bayes predictor, in nats. Its share is of the effect of all of the source. Shares
of single parts need not sum to one: two parts may each be enough, or only both.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from icl_mlflow.analysis import style
from icl_mlflow.analysis.base import Analysis, Subject, Topic
from icl_mlflow.analysis.findings import Conclusion, Findings
from icl_mlflow.analysis.mechanism.internals import no_internals
from icl_mlflow.analysis.mechanism.patching.effects import (
    ALL,
    MOST,
    WHOLE,
    effects,
    first_kind,
    key,
    single_parts,
)
from icl_mlflow.analysis.mechanism.patching.pairs import ROLES
from icl_mlflow.statistics import numbers_of_row

#: The share of an answer from which one part brings most of it.
_MOST_OF_IT = 0.5
#: Where a cell is so dark that its number is white; the least number that is printed.
_DARK, _PRINTED = 0.6, 0.005
_ESTIMATES = ["estimate", "estimate_low", "estimate_high", "risk_estimate"]


def measure(subject: Subject) -> pd.DataFrame:
    """One row per kind of pair, part and role of tokens: effect, share, moved; nats."""
    return effects(subject).drop(columns=_ESTIMATES)


def summarise(frame: pd.DataFrame) -> dict[str, float]:
    """The effect of every part (nats), and the largest share of a head or MLP.

    ``largest_share`` is of the part that brings most on half of the pairs, measured on
    the other half: the largest of all is biased upwards.
    """
    first = first_kind(frame)
    numbers = numbers_of_row(_chosen(first), "second_half", "largest_share")
    for row in frame.to_dict("records"):
        numbers |= numbers_of_row(row, "effect", key(row))
    for row in first[first["kind"] == "stream"].to_dict("records"):
        numbers |= numbers_of_row(row, "share", f"{key(row)}_share")
    return numbers


def _chosen(frame: pd.DataFrame) -> Mapping[Any, Any]:
    """The row of the head or MLP that brings most on the first half of the pairs."""
    by_share = single_parts(frame).sort_values("first_half", ascending=False)
    row: Mapping[Any, Any] = by_share.to_dict("records")[0]
    return row


def draw(frame: pd.DataFrame) -> Figure:
    """The effect of every part by role of tokens, a row a model, a column a pair."""
    models = frame.groupby("model", sort=False)
    kinds = list(frame["pair"].unique())
    n_parts = frame["part"].nunique()
    panel = (4.2, 1.2 + 0.26 * n_parts)
    drawn, panels = style.figure(len(models), len(kinds), panel=panel)
    rest = iter(panels)
    for model, of_model in models:
        for kind in kinds:
            axes = next(rest)
            _heatmap(axes, of_model[of_model["pair"] == kind])
            style.title(axes, f"{model}\n{kind}")
    return drawn


def _heatmap(axes: Axes, frame: pd.DataFrame) -> None:
    """Nats by part and role; empty where a part is not patched."""
    grid = frame.pivot_table(
        values="effect", index="part", columns="tokens", sort=False
    ).reindex(columns=[ALL, *ROLES])
    bound = max(float(np.nanmax(np.abs(grid.to_numpy()))), 1e-12)
    shown = axes.imshow(grid, cmap="RdBu_r", vmin=-bound, vmax=bound, aspect="auto")
    for (row, column), value in np.ndenumerate(grid.to_numpy()):
        if not np.isnan(value):
            color = "white" if abs(value) > _DARK * bound else "black"
            text = f"{value:.2f}" if abs(value) >= _PRINTED else "0"
            axes.text(
                column, row, text, ha="center", va="center", color=color, size="x-small"
            )
    axes.grid(visible=False)
    names = [name.replace(" ", "\n") for name in grid.columns]
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(grid)), grid.index)
    axes.set(xlabel="tokens", ylabel="part")
    axes.figure.colorbar(shown, ax=axes, label="effect (nats)")


def _verdict(found: Findings) -> Conclusion:
    first = first_kind(found.frame)
    below = found.below("largest_share", _MOST_OF_IT)
    chosen = [_chosen(part)["part"] for _, part in first.groupby("model", sort=False)]
    whole = first.loc[first["part"] == WHOLE, "effect"].mean()
    streams = first[(first["kind"] == "stream") & (first["part"] != WHOLE)]
    deepest = streams[streams["part"] == streams["part"].iloc[-1]]
    by_role = deepest.groupby("tokens", sort=False)["share"].mean()
    told = ", ".join(f"{role} {share:.2f}" for role, share in by_role.items())
    return Conclusion(
        None if below is None else not below,
        f"of heads and MLPs, {', '.join(dict.fromkeys(chosen))} brings most: "
        f"{found.phrase('largest_share', digits=2)} of what all of the source costs "
        f"the target with a {first['pair'].iloc[0]}, {whole:.3f} nats (chosen on half "
        "of the pairs, measured on the other); the stream that enters the last block "
        f"brings, by tokens: {told}",
    )


ACTIVATION_PATCHING = Analysis(
    question="Does one part bring most of another episode's answer?",
    topic=Topic.PLACE,
    by_default=False,
    measure=measure,
    summarise=summarise,
    draw=draw,
    verdict=_verdict,
    headline="largest_share",
    refuses=no_internals,
    most_episodes=MOST,
)
