"""The effect of patching every part at every role of tokens, and its estimate.

Two effects, both in nats: the rise of the excess risk over the target's exact Bayes
predictor, and how far the log-odds *move* towards the source's. The gradient is taken
of the latter: near exact Bayes that of the excess risk vanishes, whatever is patched.

Parts are the streams between blocks, heads and MLPs; the last block's are patched at
the query's token alone, for nothing else of it is read.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from icl_mlflow.analysis.base import Subject
from icl_mlflow.analysis.mechanism.internals import transformer_of
from icl_mlflow.analysis.mechanism.patching.pairs import (
    ROLES,
    PairFacts,
    Pairs,
    pairs_of,
)
from icl_mlflow.models import Architecture, Site
from icl_mlflow.models.patching.activation import PairedRun, Patch
from icl_mlflow.models.patching.gradient import estimated
from icl_mlflow.statistics import ratio_interval, t_interval

#: Pairs of each kind: every part is patched in each.
MOST = 300
ALL = "all"
#: All of the source in place of the target: what the effects are shares of.
WHOLE = "source"


@dataclass(frozen=True)
class Part:
    """What is patched: a site, or one of its heads, at tokens of a role.

    Attributes:
        name: for readers, counted from 1.
        kind: ``stream``, ``head`` or ``MLP``.
        site: where.
        head: from 0, or None.
        tokens: a role, or `ALL`.
    """

    name: str
    kind: str
    site: Site
    head: int | None
    tokens: str

    def patch(self, roles: Mapping[str, Tensor]) -> Patch:
        """The patch, for episodes whose tokens have these roles."""
        return Patch(self.site, self.head, roles.get(self.tokens))


def parts_of(architecture: Architecture) -> Iterator[Part]:
    """All parts, the whole source first."""
    last = architecture.n_layers - 1
    yield Part(WHOLE, "stream", Site("residual", 0), None, ALL)
    for depth in range(last + 1):
        site, name = Site("residual", depth), f"stream {depth}"
        yield from (Part(name, "stream", site, None, role) for role in ROLES)
    for layer in range(last + 1):
        where = (ALL, *ROLES) if layer < last else (ROLES[-1],)
        for head in range(architecture.n_heads):
            site, name = Site("head_output", layer), f"head {layer + 1}.{head + 1}"
            yield from (Part(name, "head", site, head, role) for role in where)
        site, name = Site("mlp_output", layer), f"MLP {layer + 1}"
        yield from (Part(name, "MLP", site, None, role) for role in where)


def effects(subject: Subject) -> pd.DataFrame:
    """One row per kind of pair, part and role, with intervals over pairs; nats.

    Columns: ``effect`` (excess risk) and its ``share`` of all of the source's, with
    ``first_half`` and ``second_half``, the share on half of the pairs each; ``moved``
    (log-odds); by the gradient ``estimate`` of the latter and ``risk_estimate``.
    """
    return subject.once(_effects)


def _effects(subject: Subject) -> pd.DataFrame:
    parts = list(parts_of(transformer_of(subject).architecture))
    rows: list[dict[str, object]] = []
    for pairs in pairs_of(subject, MOST):
        found = _of_pairs(subject, pairs, parts)
        for index, part in enumerate(parts):
            row: dict[str, object] = {
                "pair": pairs.kind,
                "part": part.name,
                "kind": part.kind,
                "tokens": part.tokens,
            }
            for name in ("effect", "moved", "estimate"):
                row |= t_interval(found[name][index]).columns(name)
            row |= shares(found["effect"][index], found["effect"][0])
            row["risk_estimate"] = float(found["risk_estimate"][index].mean())
            rows.append(row)
    return pd.DataFrame(rows)


def shares(part_B: np.ndarray, whole_B: np.ndarray) -> dict[str, Any]:
    """The share of a whole, and on half of the pairs each.

    A part that is chosen by the one half for its share is measured without bias by the
    other.
    """
    middle = len(part_B) // 2
    first = ratio_interval(part_B[:middle], whole_B[:middle])
    second = ratio_interval(part_B[middle:], whole_B[middle:])
    return {
        **ratio_interval(part_B, whole_B).columns("share"),
        "first_half": first.mean,
        **second.columns("second_half"),
    }


def _of_pairs(
    subject: Subject, pairs: Pairs, parts: list[Part]
) -> dict[str, np.ndarray]:
    """By column, the effects and estimates of every part on every pair: (P, B)."""
    chunks: dict[str, list[Tensor]] = {}
    for run, known in pairs.runs(subject):
        patches = [part.patch(known.roles) for part in parts]
        for name, value_PB in _of_run(run, known, patches).items():
            chunks.setdefault(name, []).append(value_PB.double().cpu())
    return {name: torch.cat(each, 1).numpy() for name, each in chunks.items()}


def _of_run(
    run: PairedRun, known: PairFacts, patches: list[Patch]
) -> dict[str, Tensor]:
    own_B = run.target_logit_B
    towards_B = (run.source_logit_B - own_B).sign()

    def moved(logit_B: Tensor) -> Tensor:
        return towards_B * (logit_B - own_B)

    with torch.no_grad():
        patched = [run.patched([one]) for one in patches]
    return {
        "effect": torch.stack([known.effect(each, own_B) for each in patched]),
        "moved": torch.stack([moved(each) for each in patched]),
        "estimate": torch.stack(estimated(run, patches, moved)),
        "risk_estimate": torch.stack(estimated(run, patches, known.risk)),
    }


def key(row: Mapping[Any, Any]) -> str:
    """The beginning of a row's numbers, such as ``label_flip_head_1.2_query``."""
    tokens = "" if row["tokens"] == ALL else f"_{row['tokens']}"
    return f"{row['pair']}_{row['part']}{tokens}".lower().replace(" ", "_")


def single_parts(frame: pd.DataFrame) -> pd.DataFrame:
    """Heads and MLPs, each at all of its tokens that are read."""
    is_single = frame["kind"].isin(["head", "MLP"])
    by_part = frame[is_single].groupby(["pair", "part"], sort=False)
    found: pd.DataFrame = frame.loc[by_part.head(1).index]
    return found


def first_kind(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of the first kind of pair: label flips, for whoever reads labels."""
    found: pd.DataFrame = frame[frame["pair"] == frame["pair"].iloc[0]]
    return found
