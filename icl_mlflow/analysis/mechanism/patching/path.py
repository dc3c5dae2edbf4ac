"""Path patching: who hears what a part says, and does the answer go by one edge?

What a sender (the tokens, a head, an MLP) says on the source is heard by a single
reader, and by all others as on the target (`icl_mlflow.models.patching.path`). After a
head there are two cuts: its own block's MLP and the skip connection around it; and the
next block's queries, keys and values by head, and the skip connection around them. All
edges of a cut together are the patch of the sender, exactly; single effects need not
sum to it, and what is left over stands beside them. Effects raise the excess risk over
the target's exact Bayes predictor, in nats.
"""

from collections.abc import Iterator, Mapping
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
from icl_mlflow.analysis.mechanism.internals import no_internals, transformer_of
from icl_mlflow.analysis.mechanism.patching.effects import first_kind, shares
from icl_mlflow.analysis.mechanism.patching.pairs import PairFacts, Pairs, pairs_of
from icl_mlflow.models import Architecture, Site
from icl_mlflow.models.patching.activation import PairedRun, Patch
from icl_mlflow.models.patching.path import Reader, Sent, cuts
from icl_mlflow.statistics import numbers_of_row, t_interval

#: Pairs of each kind: every edge is patched in each.
_MOST = 200
#: The share of an answer from which one edge carries most of it.
_MOST_OF_IT = 0.5
TOKENS = "tokens"
#: In the place of a reader: all of a cut, and what single edges leave over of it.
_ALL, _REST = "all", "remainder"
#: In the place of a cut: all that reads hears.
_NO_CUT = "everywhere"
_INSIDE, _NEXT = "own block", "next block"

#: Sender, cut and reader.
_Edge = tuple[str, str, str]


def senders(architecture: Architecture) -> dict[str, Patch]:
    """Name, counted from 1, to what sends: the tokens, and every head and MLP."""
    found = {TOKENS: Patch(Site("residual", 0))}
    for layer in range(architecture.n_layers):
        site = Site("head_output", layer)
        for head in range(architecture.n_heads):
            found[f"head {layer + 1}.{head + 1}"] = Patch(site, head)
        found[f"MLP {layer + 1}"] = Patch(Site("mlp_output", layer))
    return found


def measure(subject: Subject) -> pd.DataFrame:
    """One row per kind of pair and edge, with intervals over pairs; nats.

    Columns: ``sender``, ``cut``, ``reader``; ``effect``, its ``share`` of all of the
    source's; ``first_half``, ``second_half``: the share on half of the pairs each.
    """
    rows: list[dict[str, object]] = []
    for pairs in pairs_of(subject, _MOST):
        found = _of_pairs(subject, pairs)
        whole_B = found[TOKENS, _NO_CUT, _ALL]
        for (sender, cut, reader), effect_B in found.items():
            row: dict[str, object] = {
                "pair": pairs.kind,
                "sender": sender,
                "cut": cut,
                "reader": reader,
            }
            row |= t_interval(effect_B).columns("effect")
            rows.append(row | shares(effect_B, whole_B))
    return pd.DataFrame(rows)


@torch.no_grad()
def _of_pairs(subject: Subject, pairs: Pairs) -> dict[_Edge, np.ndarray]:
    """The effect of every edge on every pair: (B,)."""
    architecture = transformer_of(subject).architecture
    chunks: dict[_Edge, list[Tensor]] = {}
    for run, known in pairs.runs(subject):
        for name, sender in senders(architecture).items():
            for edge, effect_B in _edges(run, known, name, sender):
                chunks.setdefault(edge, []).append(effect_B)
    return {edge: torch.cat(each).numpy() for edge, each in chunks.items()}


def _edges(
    run: PairedRun, known: PairFacts, name: str, sender: Patch
) -> Iterator[tuple[_Edge, Tensor]]:
    """The sender's whole effect, and that of its edges with what they leave over."""
    sent, own_B = Sent(run, sender), run.target_logit_B
    whole_B = known.effect(sent.logit_B, own_B)
    yield (name, _NO_CUT, _ALL), whole_B
    for readers in cuts(sender.site, run.architecture):
        cut = _INSIDE if readers[0].role == "MLP" else _NEXT
        rest_B = whole_B
        for reader in readers:
            effect_B = known.effect(sent.heard_by([reader]), own_B)
            rest_B = rest_B - effect_B
            yield (name, cut, label(reader)), effect_B
        yield (name, cut, _REST), rest_B


def label(reader: Reader) -> str:
    """Who reads, within a cut: ``MLP``, ``skip`` or, by head from 1, ``query 2``."""
    if reader.head is not None:
        return f"{reader.role} {reader.head + 1}"
    return "MLP" if reader.role == "MLP" else "skip"


def summarise(frame: pd.DataFrame) -> dict[str, float]:
    """The effect of every edge (nats), and the largest shares.

    ``largest_share`` is of the edge out of the tokens that carries most on half of the
    pairs, measured on the other half; ``largest_part_share`` of the edge out of a head
    or an MLP into the next block.
    """
    single = _single(first_kind(frame))
    numbers = numbers_of_row(_most(single[0]), "second_half", "largest_share")
    if len(single[1]):
        of_part = numbers_of_row(_most(single[1]), "second_half", "largest_part_share")
        numbers |= of_part
    for row in frame.to_dict("records"):
        names = [row["pair"], row["sender"], row["cut"], row["reader"]]
        key = "_".join(names).lower().replace(" ", "_")
        numbers |= numbers_of_row(row, "effect", key)
    return numbers


def _single(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Single edges out of the tokens, and those out of parts into the next block."""
    onward = frame[(frame["cut"] == _NEXT) & (frame["reader"] != _REST)]
    is_token = onward["sender"] == TOKENS
    return onward[is_token], onward[~is_token]


def _most(frame: pd.DataFrame) -> Mapping[Any, Any]:
    """The row of the edge that carries most on the first half of the pairs."""
    by_share = frame.sort_values("first_half", ascending=False)
    row: Mapping[Any, Any] = by_share.to_dict("records")[0]
    return row


def draw(frame: pd.DataFrame) -> Figure:
    """The effect of every edge, a row a model, a column a kind of pair."""
    models = frame.groupby("model", sort=False)
    kinds = list(frame["pair"].unique())
    readers = _columns(frame)
    panel = (1.8 + 0.27 * len(readers), 1.6 + 0.3 * frame["sender"].nunique())
    drawn, panels = style.figure(len(models), len(kinds), panel=panel)
    rest = iter(panels)
    for model, of_model in models:
        for kind in kinds:
            axes = next(rest)
            _heatmap(axes, of_model[of_model["pair"] == kind], readers)
            style.title(axes, f"{model}\n{kind}")
    return drawn


def _columns(frame: pd.DataFrame) -> list[tuple[str, str]]:
    """Cut and reader of every column: the sender itself, its own block, the next."""
    found = [(_NO_CUT, _ALL)]
    for cut in (_INSIDE, _NEXT):
        of_cut = frame.loc[frame["cut"] == cut, "reader"]
        found += [(cut, str(reader)) for reader in of_cut.unique()]
    return found


def _heatmap(axes: Axes, frame: pd.DataFrame, readers: list[tuple[str, str]]) -> None:
    """Nats by sender and reader; empty where there is no such edge.

    The scale is that of heads and MLPs: what the tokens send may be beyond it.
    """
    grid = frame.pivot_table(
        values="effect", index="sender", columns=["cut", "reader"], sort=False
    ).reindex(columns=pd.MultiIndex.from_tuples(readers))
    value = grid.to_numpy()
    of_parts = value[[name != TOKENS for name in grid.index]]
    bound = max(float(np.nanmax(np.abs(of_parts))), 1e-12)
    shown = axes.imshow(value, cmap="RdBu_r", vmin=-bound, vmax=bound, aspect="auto")
    axes.grid(visible=False)
    n_inside = sum(cut == _INSIDE for cut, _ in readers)
    for edge in (0.5, 0.5 + n_inside):
        axes.axvline(edge, color="black", linewidth=0.8)
    names = ["all" if cut == _NO_CUT else reader for cut, reader in readers]
    axes.set_xticks(range(len(names)), names, rotation=90)
    axes.set_yticks(range(len(grid)), grid.index)
    axes.set(ylabel="sender", xlabel="heard by: all | own block | next block")
    axes.figure.colorbar(shown, ax=axes, label="effect (nats)", extend="both")


def _verdict(found: Findings) -> Conclusion:
    first = first_kind(found.frame)
    below = found.below("largest_share", _MOST_OF_IT)
    of_models = [_single(part) for _, part in first.groupby("model", sort=False)]
    of_tokens = _listed([_most(tokens)["reader"] for tokens, _ in of_models])
    told = (
        f"the edge that carries most, to the first block's {of_tokens}, carries "
        f"{found.phrase('largest_share', digits=2)} of a {first['pair'].iloc[0]} "
        "(chosen on half of the pairs, measured on the other)"
    )
    if "largest_part_share" in found:
        rows = [_most(parts) for _, parts in of_models]
        named = _listed([f"{row['sender']} to {row['reader']}" for row in rows])
        told += (
            f"; of those out of heads and MLPs into the next block, {named}: "
            f"{found.phrase('largest_part_share', digits=2)}"
        )
    rest = first[first["reader"] == _REST].merge(
        first[first["reader"] == _ALL], on=["model", "sender"], suffixes=("", "_all")
    )
    left_over = float(rest["effect"].abs().sum() / rest["effect_all"].abs().sum())
    return Conclusion(
        None if below is None else not below,
        f"{told}; effects of single edges leave {left_over:.0%} of their senders' over",
    )


def _listed(names: list[str]) -> str:
    return ", ".join(dict.fromkeys(names))


PATH_PATCHING = Analysis(
    question="Does what decides the answer leave the tokens by one edge?",
    topic=Topic.PATH,
    by_default=False,
    measure=measure,
    summarise=summarise,
    draw=draw,
    verdict=_verdict,
    headline="largest_share",
    refuses=no_internals,
    most_episodes=_MOST,
)
