"""Logit attribution: a ledger of what each part writes, beside what is lost without it.

The logit is an exact sum of terms, one a part (`icl_mlflow.models.attribution`). A part
speaks for the right answer where its term has the sign of exact Bayes: its *evidence*
is the mean of sign(Bayes) (term - mean term), in nats. Its *effect* is what the
evidence of the whole logit loses when what the part writes at the query's token is
replaced by its mean over episodes, and everything after it is computed anew, the norms
too.

The ledger is exact and no cause: a part that is missed may be made up for, or its loss
may turn the streams that others read.
"""

import math
from collections.abc import Iterator

import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from icl_mlflow.analysis import style
from icl_mlflow.analysis.base import Analysis, Subject, Topic
from icl_mlflow.analysis.findings import Conclusion, Findings
from icl_mlflow.analysis.mechanism.internals import (
    no_internals,
    parts_to_trace,
    transformer_of,
)
from icl_mlflow.analysis.side_by_side import panels, seed_marks
from icl_mlflow.episodes import Episodes
from icl_mlflow.models import Edit, Site, Transformer
from icl_mlflow.models.interventions import replaced
from icl_mlflow.statistics import numbers_of_row, pearson_interval, t_interval

#: Episodes traced: the whole model is computed anew without each part.
_MOST = 500
#: A correlation of ledger and effect from which the ledger tells what is missed.
_TELLS = 0.9

_COLUMNS = {"evidence": "in the ledger", "effect": "lost without it"}
#: Of each: colour, marker, and how far aside of its part it is drawn.
_LOOKS = {"evidence": (style.BLUE, "o", -0.15), "effect": (style.RED, "s", 0.15)}


@torch.no_grad()
def measure(subject: Subject) -> pd.DataFrame:
    """One row per part: evidence and, of heads and MLPs, effect, with intervals."""
    transformer = transformer_of(subject)
    n_episodes = min(_MOST, len(subject.truth))
    seen = subject.truth.seen.rows(0, n_episodes)
    sign_B = subject.truth.bayes_B[:n_episodes].sign()
    whole_B, terms = _ledger(transformer, seen)
    lost = dict(_without(transformer, seen))
    rows = []
    for name, term_B in terms.items():
        row: dict[str, object] = {"part": name}
        evidence_B = sign_B * (term_B - term_B.mean())
        row |= t_interval(evidence_B.numpy()).columns("evidence")
        if name in lost:
            effect_B = sign_B * (whole_B - lost[name])
            row |= t_interval(effect_B.numpy()).columns("effect")
        rows.append(row)
    return pd.DataFrame(rows)


def _ledger(
    transformer: Transformer, seen: Episodes
) -> tuple[Tensor, dict[str, Tensor]]:
    """The logits (B,) and their terms by part, float64."""
    logits: list[Tensor] = []
    terms: dict[str, list[Tensor]] = {}
    for asked in _parts(seen):
        found = transformer.attribution(*asked)
        logits.append(found.logit_B.double().cpu())
        for name, term_B in found.terms.items():
            terms.setdefault(name, []).append(term_B.double().cpu())
    return torch.cat(logits), {name: torch.cat(each) for name, each in terms.items()}


def _without(transformer: Transformer, seen: Episodes) -> Iterator[tuple[str, Tensor]]:
    """Each head and MLP, and the logits with its mean at the query's token: (B,)."""
    means = _means(transformer, seen)
    architecture = transformer.architecture
    for layer in range(architecture.n_layers):
        mean_HK = means[Site("head_output", layer)]
        for head in range(architecture.n_heads):
            edit = replaced(
                Site("head_output", layer), mean_HK[head], (slice(None), head, -1)
            )
            name = f"layer {layer + 1} head {head + 1}"
            yield name, _answers(transformer, seen, edit)
        site = Site("mlp_output", layer)
        edit = replaced(site, means[site], (slice(None), -1))
        yield f"layer {layer + 1} MLP", _answers(transformer, seen, edit)


def _means(transformer: Transformer, seen: Episodes) -> dict[Site, Tensor]:
    """What heads (H, K) and MLPs (M,) write at the query's token, on average."""
    totals: dict[Site, Tensor] = {}

    def note(site: Site, value: Tensor) -> Tensor:
        if site.quantity in {"head_output", "mlp_output"}:
            total = value[..., -1, :].sum(0)
            totals[site] = totals.get(site, torch.zeros_like(total)) + total
        return value

    _answers(transformer, seen, note)
    return {site: total / len(seen) for site, total in totals.items()}


def _answers(transformer: Transformer, seen: Episodes, edit: Edit) -> Tensor:
    """The logits with an edit, (B,) float64."""
    parts = [transformer.trace(*asked, edit=edit).logit_B for asked in _parts(seen)]
    return torch.cat(parts).double().cpu()


def _parts(seen: Episodes) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    for part in parts_to_trace(seen):
        yield part.context_x_BND, part.context_y_BN, part.query_x_BD


def summarise(frame: pd.DataFrame) -> dict[str, float]:
    """Evidence and effect by part (nats), and how well the one tells the other."""
    numbers: dict[str, float] = {}
    for row in frame.to_dict("records"):
        key = str(row["part"]).lower().replace(" ", "_")
        numbers |= numbers_of_row(row, "evidence", f"{key}_evidence")
        if not math.isnan(row["effect"]):
            numbers |= numbers_of_row(row, "effect", f"{key}_effect")
    total = float(frame["evidence"].sum())
    for kind in ("head", "MLP"):
        of_kind = frame["part"].str.contains(rf" {kind}(?: \d+)?$")
        share = float(frame.loc[of_kind, "evidence"].sum()) / total
        numbers[f"{kind.lower()}_share"] = share
    both = frame.dropna(subset=["effect"])
    agreement = pearson_interval(both["evidence"], both["effect"])
    told = agreement.columns("agreement")
    return numbers | numbers_of_row(told, "agreement", "agreement")


def draw(frame: pd.DataFrame) -> Figure:
    """Evidence and effect of every head and MLP, a panel a model."""
    drawn_parts = frame.dropna(subset=["effect"])
    models = drawn_parts.groupby("model", sort=False)
    n_parts = drawn_parts["part"].nunique()
    panel = (max(4.5, 0.5 * n_parts), 4.0)
    drawn, panels = style.small_multiples(len(models), panel=panel, most_columns=2)
    for axes, (model, part) in zip(panels, models, strict=True):
        _points(axes, part)
        style.title(axes, str(model))
        axes.set(ylabel="evidence for the right answer (nats)", xlabel="part")
    style.legend(panels[0])
    return drawn


def _points(axes: Axes, frame: pd.DataFrame) -> None:
    axes.axhline(0, color="black", linewidth=0.8)
    places = range(len(frame))
    for column, (color, marker, aside) in _LOOKS.items():
        style.interval_points(
            axes,
            [place + aside for place in places],
            frame,
            column,
            color=color,
            marker=marker,
            label=_COLUMNS[column],
        )
    axes.set_xticks(places, frame["part"], rotation=60, ha="right")


def _beside(frame: pd.DataFrame) -> Figure:
    """Evidence and effect of every head and MLP, of every variant and seed."""
    parts = frame.dropna(subset=["effect"])
    parts = parts.assign(name=parts["part"])
    names = list(parts["name"].unique())

    def paint(axes: Axes, part: pd.DataFrame) -> None:
        axes.axvline(0, color="black", linewidth=0.8)
        for column, (color, _, aside) in _LOOKS.items():
            label = _COLUMNS[column]
            seed_marks(
                axes, part, names, column, label=label, color=color, aside=-aside
            )

    return panels(
        parts,
        paint,
        xlabel="evidence for the right answer (nats)",
        ylabel="part",
        names=names,
    )


def _verdict(found: Findings) -> Conclusion:
    below = found.below("agreement", _TELLS)
    by_part = found.frame.groupby("part", sort=False)
    evidence, effect = by_part["evidence"].mean(), by_part["effect"].mean()
    most, missed = evidence.idxmax(), effect.idxmax()
    return Conclusion(
        None if below is None else not below,
        "over heads and MLPs, what a part writes for the right answer and what is lost "
        f"without it correlate by {found.phrase('agreement', digits=2)}; {most!s} "
        f"writes most ({evidence.max():.3f} nats), and {missed!s} is missed most "
        f"({effect.max():.3f} nats); heads write {found['head_share']:.0%} of all, "
        f"MLPs {found['mlp_share']:.0%}",
    )


LOGIT_ATTRIBUTION = Analysis(
    question="Does the answer rest on what writes it?",
    topic=Topic.PLACE,
    measure=measure,
    summarise=summarise,
    draw=draw,
    verdict=_verdict,
    beside=_beside,
    refuses=no_internals,
    most_episodes=_MOST,
)
