r"""Symmetries of the task: what a model loses by not having them, and what helps.

An orbit is an episode and what a symmetry makes of it: with both classes exchanged,
with its context in another order, rotated or reflected about the origin. Exact Bayes
gives all of an orbit the same answer (the opposite one where classes are exchanged),
and all of it is equally likely. Excess risk is convex in the log-odds, so for a model
that answers f(g e) on the members g e of an orbit, turned back by s_g,

    mean_g excess(f(g e)) = excess(mean_g s_g f(g e)) + cost,      cost >= 0:

the *symmetry cost* in nats is exactly what averaging the answers over the orbit saves.
Of large orbits a few members are drawn; the cost of these is >= 0 as well.

To subtract the context's mean from all points is no symmetry (the prior of the shift
has a centre): it may cost in distribution and repair far out of it.
"""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace

import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Generator, Tensor

from icl_mlflow.analysis import style
from icl_mlflow.analysis.ablation.decision import SMALLEST_OF_INTEREST
from icl_mlflow.analysis.base import Analysis, Subject, Topic
from icl_mlflow.analysis.episodes import episodes_for
from icl_mlflow.analysis.findings import Conclusion, Findings, all_of
from icl_mlflow.analysis.side_by_side import group_of, panels, seed_marks
from icl_mlflow.episodes import Episodes
from icl_mlflow.evaluation import (
    EvaluationSet,
    excess_risk,
    expected_accuracy,
    predict,
)
from icl_mlflow.statistics import mean_interval, numbers_of_row, paired_t
from icl_mlflow.streams import generator
from icl_mlflow.tasks.base import with_parameters

#: Episodes as trained, and under each shift.
_MOST, _MOST_SHIFTED = 1_000, 500
#: Members that are drawn of a large orbit, the episode itself among them.
_MEMBERS = 4
_AS_TRAINED = "as trained"
_CENTRING = "centring"


def exchanged(episodes: Episodes, _rng: Generator) -> Episodes:
    """Every label of the context is the other one."""
    return replace(episodes, context_y_BN=1 - episodes.context_y_BN)


def permuted(episodes: Episodes, rng: Generator) -> Episodes:
    """The context in another order, of every episode its own."""
    x_BND, y_BN = episodes.context_x_BND, episodes.context_y_BN
    order_BN = torch.rand(y_BN.shape, generator=rng).argsort(-1).to(y_BN.device)
    return replace(
        episodes,
        context_x_BND=x_BND.gather(1, order_BN.unsqueeze(-1).expand_as(x_BND)),
        context_y_BN=y_BN.gather(1, order_BN),
    )


def rotated(episodes: Episodes, rng: Generator) -> Episodes:
    """All points of all episodes turned alike about the origin."""
    return _mapped(episodes, _orthogonal(episodes.dim, rng, determinant=1))


def reflected(episodes: Episodes, rng: Generator) -> Episodes:
    """All points of all episodes turned alike, and mirrored."""
    return _mapped(episodes, _orthogonal(episodes.dim, rng, determinant=-1))


def centred(episodes: Episodes) -> Episodes:
    """Every point less the mean of its context's points."""
    if not episodes.n_context:
        return episodes
    mean_B1D = episodes.context_x_BND.mean(1, keepdim=True)
    return replace(
        episodes,
        context_x_BND=episodes.context_x_BND - mean_B1D,
        query_x_BD=episodes.query_x_BD - mean_B1D[:, 0],
    )


def _orthogonal(dim: int, rng: Generator, *, determinant: int) -> Tensor:
    square = torch.randn(dim, dim, generator=rng, dtype=torch.float64)
    found, upper = torch.linalg.qr(square)
    found = found * upper.diagonal().sign()  # uniform over all orthogonal maps
    found[:, 0] *= determinant * torch.linalg.det(found)
    turned: Tensor = found
    return turned


def _mapped(episodes: Episodes, map_DD: Tensor) -> Episodes:
    there = map_DD.to(episodes.query_x_BD)
    return replace(
        episodes,
        context_x_BND=episodes.context_x_BND @ there,
        query_x_BD=episodes.query_x_BD @ there,
    )


#: By name, what makes another member of an orbit, of which symmetry of the task (any
#: task has the last one), the sign of the answer there, and how many members there are.
_ORBITS: Mapping[
    str, tuple[Callable[[Episodes, Generator], Episodes], str, int, int]
] = {
    "label flip": (exchanged, "classes", -1, 2),
    "permutation": (permuted, "", 1, _MEMBERS),
    "rotation": (rotated, "rotation", 1, _MEMBERS),
    "reflection": (reflected, "rotation", 1, 2),
}


def measure(subject: Subject) -> pd.DataFrame:
    """One row per place (as trained, each named shift) and repair.

    Columns: ``cost`` of each symmetry, and of centring by how much it lowers the excess
    risk (it may be negative), in nats; accuracy and excess risk before and after.
    """
    trained_on = subject.problem.task
    rows = []
    for place, changes in {_AS_TRAINED: {}, **trained_on.shifts}.items():
        task = with_parameters(trained_on, changes)
        most = _MOST_SHIFTED if changes else _MOST
        truth = episodes_for(subject, task, most=most)
        logit_B = predict(subject.predictor, truth.seen)
        for name, (other, claimed, sign, members) in _ORBITS.items():
            if claimed and claimed not in task.symmetries:
                continue
            rng = generator(subject.seed, f"symmetry {name}")
            members_of = [other(truth.seen, rng) for _ in range(members - 1)]
            others = [sign * predict(subject.predictor, each) for each in members_of]
            answers_GB = torch.stack([logit_B, *others])
            rows.append(
                {
                    "place": place,
                    "repair": name,
                    **_repaired(answers_GB, answers_GB.mean(0), truth),
                }
            )
        centred_B = predict(subject.predictor, centred(truth.seen))
        row = _repaired(logit_B.unsqueeze(0), centred_B, truth)
        rows.append({"place": place, "repair": _CENTRING, **row})
    return pd.DataFrame(rows)


def _repaired(
    before_GB: Tensor, after_B: Tensor, truth: EvaluationSet
) -> dict[str, object]:
    """What is saved, and accuracy and excess risk before (a mean) and after."""
    bayes_B = truth.bayes_B
    risk_B = torch.stack([excess_risk(each, bayes_B) for each in before_GB]).mean(0)
    right_B = torch.stack([expected_accuracy(each, bayes_B) for each in before_GB])
    saved_B = risk_B - excess_risk(after_B, bayes_B)
    row = paired_t(saved_B.numpy()).difference.columns("cost")
    for name, risks_B, rights_B in (
        ("before", risk_B, right_B.mean(0)),
        ("after", excess_risk(after_B, bayes_B), expected_accuracy(after_B, bayes_B)),
    ):
        row |= mean_interval(risks_B.numpy(), "log").columns(f"excess_risk_{name}")
        row |= mean_interval(rights_B.numpy(), "logit").columns(f"accuracy_{name}")
    return row


def summarise(frame: pd.DataFrame) -> dict[str, float]:
    """Each cost (nats), and accuracy before and after centring, by place."""
    numbers: dict[str, float] = {}
    for row in frame.to_dict("records"):
        key = f"{row['place']}_{row['repair']}".replace(" ", "_")
        numbers |= numbers_of_row(row, "cost", f"{key}_cost")
        if row["repair"] == _CENTRING:
            for when in ("before", "after"):
                name = f"accuracy_{when}"
                numbers |= numbers_of_row(row, name, f"{key}_{name}")
    return numbers


def draw(frame: pd.DataFrame) -> Figure:
    """What every repair saves, a panel a place; a colour a variant."""
    places = frame.groupby("place", sort=False)
    drawn, panels = style.small_multiples(len(places), panel=(4.8, 4.0))
    for axes, (place, part) in zip(panels, places, strict=True):
        _points(axes, part)
        style.title(axes, str(place).replace("_", " "))
        axes.set(xlabel="answers averaged over, or points centred", ylabel="nats saved")
    style.legend(panels[0])
    return drawn


def _points(axes: Axes, frame: pd.DataFrame) -> None:
    axes.axhline(0, color="black", linewidth=0.8)
    repairs = list(frame["repair"].unique())
    models = frame.groupby("model", sort=False)
    palette = itertools.cycle((style.BLUE, style.ORANGE, style.PURPLE, style.GREY))
    colors: dict[str, str] = {}
    for index, (model, rows) in enumerate(models):
        group = group_of(str(model))
        is_new = group not in colors
        if is_new:
            colors[group] = next(palette)
        aside = 0.5 * (index - (len(models) - 1) / 2) / len(models)
        style.interval_points(
            axes,
            [repairs.index(repair) + aside for repair in rows["repair"]],
            rows,
            "cost",
            color=colors[group],
            label=group if is_new else None,
        )
    axes.set_xticks(range(len(repairs)), repairs, rotation=30, ha="right")


def _beside(frame: pd.DataFrame) -> Figure:
    """What every repair saves in every place, of every variant and seed."""
    frame = frame.assign(name=frame["repair"])
    names, places = (list(frame[column].unique()) for column in ("name", "place"))
    step = 0.7 / len(places)

    def paint(axes: Axes, part: pd.DataFrame) -> None:
        axes.axvline(0, color="black", linewidth=0.8)
        for index, place in enumerate(places):
            seed_marks(
                axes,
                part[part["place"] == place],
                names,
                "cost",
                label=str(place).replace("_", " "),
                color=style.CYCLE[index % len(style.CYCLE)],
                aside=step * ((len(places) - 1) / 2 - index),
            )
        style.logarithmic(axes, "x", near_zero=SMALLEST_OF_INTEREST)

    return panels(
        frame,
        paint,
        xlabel="nats saved",
        ylabel="averaged over, or centred",
        names=names,
    )


def _verdict(found: Findings) -> Conclusion:
    here = _AS_TRAINED.replace(" ", "_")
    costs = {
        name.removeprefix(f"{here}_").removesuffix("_cost"): name
        for name in found.numbers
        if name.startswith(here) and name.endswith("_cost") and _CENTRING not in name
    }
    answers = (found.below(name, SMALLEST_OF_INTEREST) for name in costs.values())
    told = ", ".join(
        f"{label.replace('_', ' ')} {found.phrase(name, 'nats')}"
        for label, name in costs.items()
    )
    centring = "; ".join(
        f"{place.replace('_', ' ')}, {found[f'{key}_accuracy_before']:.3f} to "
        f"{found[f'{key}_accuracy_after']:.3f}"
        for place, key in _centred_places(found).items()
    )
    return Conclusion(
        all_of(*answers),
        f"as trained, averaging over an orbit saves by {told}; below "
        f"{SMALLEST_OF_INTEREST} each counts as having the symmetry; accuracy with the "
        f"points centred on their context: {centring}",
    )


def _centred_places(found: Findings) -> dict[str, str]:
    """Place to the key of its numbers."""
    ending = f"_{_CENTRING}_cost"
    keys = [
        name.removesuffix("_cost") for name in found.numbers if name.endswith(ending)
    ]
    return {key.removesuffix(f"_{_CENTRING}"): key for key in keys}


SYMMETRY = Analysis(
    question="Does the model have the symmetries of its task?",
    topic=Topic.COMPUTATION,
    measure=measure,
    summarise=summarise,
    draw=draw,
    verdict=_verdict,
    beside=_beside,
    most_episodes=_MOST,
)
