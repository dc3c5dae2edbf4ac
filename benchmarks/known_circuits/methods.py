"""Methods of looking into a model, and how each scores what it looks at.

A method gives every item that it judges (a component, an edge, a place of a statistic)
a number that should be large where the truth says so. How well it tells them apart is
the area under the ROC curve: 1 where every true item is above every other.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import pandas as pd
import torch

from benchmarks.known_circuits.subjects import balanced
from icl_mlflow.analysis import ANALYSES
from icl_mlflow.analysis.base import Subject
from icl_mlflow.analysis.mechanism.components import HEAD, LAYER
from icl_mlflow.analysis.mechanism.internals import transformer_of
from icl_mlflow.analysis.probing.places import streams
from icl_mlflow.compiled.circuit import Circuit, Truth
from icl_mlflow.evaluation import auc
from icl_mlflow.statistics import Ridge

#: Item to its score, and item to whether the truth has it.
Scores = Mapping[str, float]
Facts = Mapping[str, bool]


@dataclass(frozen=True, kw_only=True)
class Method:
    """One way of looking into a model.

    Attributes:
        name: for tables.
        judges: what its scores are held against, for readers.
        score: every item of a subject to a number.
        true: which items the truth has.
    """

    name: str
    judges: str
    score: Callable[[Subject, Circuit], Scores]
    true: Callable[[Truth, str], bool]

    def auroc(self, subject: Subject, circuit: Circuit) -> float:
        """How well it tells what is true from what is not; NaN where all items are."""
        found = self.score(subject, circuit)
        facts = [self.true(circuit.truth, item) for item in found]
        return auc(torch.tensor(list(found.values())), torch.tensor(facts))


def _of_attribution(column: str) -> Callable[[Subject, Circuit], Scores]:
    def score(subject: Subject, circuit: Circuit) -> Scores:
        frame = _table("logit_attribution", subject).set_index("part")[column].abs()
        return {name: float(frame[name]) for name in circuit.components}

    return score


def _by_ablation(
    way: str, on: Callable[[Subject], Subject] = lambda subject: subject
) -> Callable[[Subject, Circuit], Scores]:
    def score(subject: Subject, _circuit: Circuit) -> Scores:
        frame = _table("component_ablation", on(subject))
        frame = frame[(frame["way"] == way) & (frame["component"] != LAYER)]
        return {
            _component(row): abs(float(row["excess_risk_increase"]))
            for row in frame.to_dict("records")
        }

    return score


def _component(row: Mapping[object, object]) -> str:
    if row["component"] == HEAD:
        return f"layer {row['layer']} head {row['head']}"
    return f"layer {row['layer']} MLP"


def _of_patching(analysis: str, column: str) -> Callable[[Subject, Circuit], Scores]:
    """The largest effect over the kinds of pairs and the roles of tokens."""

    def score(subject: Subject, circuit: Circuit) -> Scores:
        frame = _table(analysis, subject)
        size = frame[column].abs().groupby(frame["part"]).max()
        return {name: float(size[_short(name)]) for name in circuit.components}

    return score


def _short(component: str) -> str:
    """``head 1.2`` for ``layer 1 head 2``, ``MLP 1`` for ``layer 1 MLP``.

    >>> _short("layer 1 head 2"), _short("layer 2 MLP")
    ('head 1.2', 'MLP 2')
    """
    _, layer, kind, *head = component.split()
    return f"{kind} {layer}.{head[0]}" if head else f"{kind} {layer}"


def _of_paths(subject: Subject, _circuit: Circuit) -> Scores:
    """The largest effect over the kinds of pairs of every edge out of a component."""
    frame = _table("path_patching", subject)
    single = frame[
        (frame["sender"] != "tokens") & ~frame["reader"].isin(["all", "remainder"])
    ]
    names = single["sender"] + " > " + single["cut"] + " > " + single["reader"]
    size = single["effect"].abs().groupby(names, sort=False).max()
    return {str(name): float(value) for name, value in size.items()}


def _has_edge(truth: Truth, item: str) -> bool:
    """Whether anything of a sender that is read arrives by this edge of a cut."""
    sender, cut, reader = item.split(" > ")
    kind, place = sender.split()
    first, _, own_head = place.partition(".")
    layer, own_mlp = int(first), f"layer {first} MLP"
    name = f"layer {first} head {own_head}" if kind == "head" else own_mlp
    reached = {to for start, to in truth.edges if start == name}
    if cut == "own block":
        return own_mlp in reached if reader == "MLP" else bool(reached - {own_mlp})
    if kind == "head" and own_mlp in reached:
        reached |= {to for start, to in truth.edges if start == own_mlp}
    role, _, head = reader.partition(" ")
    if role == "skip":
        return bool(reached - set(_attention(layer + 1, reached)) - {own_mlp})
    return role == "value" and f"layer {layer + 1} head {head}" in reached


def _attention(layer: int, names: set[str]) -> Iterator[str]:
    return (name for name in names if name.startswith(f"layer {layer} head"))


def _of_weights(subject: Subject, _circuit: Circuit) -> Scores:
    frame = _table("ov_alignment", subject)
    return {
        f"layer {row['layer']} head {row['head']}": abs(float(row["alignment"]))
        for row in frame.to_dict("records")
    }


def _by_probe(subject: Subject, circuit: Circuit) -> Scores:
    """R^2 of each statistic that the circuit has, after every block, at the query."""
    episodes = subject.truth.episodes
    found: dict[str, float] = {}
    statistics = {held.name: held.of for held in circuit.truth.holds}
    for place, stream_BM in streams(transformer_of(subject), episodes).items():
        if place.role == "query":
            probe = Ridge(stream_BM.numpy())
            for name, of in statistics.items():
                r2 = probe.fit(of(episodes).numpy()).r2.mean
                found[f"{name} after {place.layer}"] = r2
    return found


def _holds(truth: Truth, item: str) -> bool:
    return item in {
        f"{held.name} after {held.layer}"
        for held in truth.holds
        if held.role == "query"
    }


def _table(analysis: str, subject: Subject) -> pd.DataFrame:
    return subject.once(ANALYSES[analysis].measure)


METHODS = (
    Method(
        name="logit attribution, evidence",
        judges="components that write into the answer",
        score=_of_attribution("evidence"),
        true=lambda truth, item: item in truth.writes,
    ),
    Method(
        name="logit attribution, effect",
        judges="components that matter",
        score=_of_attribution("effect"),
        true=lambda truth, item: item in truth.matters,
    ),
    *(
        Method(
            name=f"component ablation, {way}",
            judges="components that matter",
            score=_by_ablation(way),
            true=lambda truth, item: item in truth.matters,
        )
        for way in ("zero", "mean", "resample")
    ),
    Method(
        name="component ablation, mean, balanced labels",
        judges="components that matter there",
        score=_by_ablation("mean", balanced),
        true=lambda truth, item: item in truth.matters - truth.when_unbalanced,
    ),
    Method(
        name="activation patching",
        judges="components that matter",
        score=_of_patching("activation_patching", "effect"),
        true=lambda truth, item: item in truth.matters,
    ),
    Method(
        name="attribution patching",
        judges="components that matter",
        score=_of_patching("attribution_patching", "estimate"),
        true=lambda truth, item: item in truth.matters,
    ),
    Method(
        name="path patching",
        judges="edges between components",
        score=_of_paths,
        true=_has_edge,
    ),
    Method(
        name="OV alignment",
        judges="heads that matter",
        score=_of_weights,
        true=lambda truth, item: item in truth.matters,
    ),
    Method(
        name="linear probes",
        judges="where statistics are, at the query's token",
        score=_by_probe,
        true=_holds,
    ),
)
