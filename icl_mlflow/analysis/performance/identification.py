"""Identification: which known estimator answers as the model does, if any?

Of the same episodes, the distance of two answers a and b (log-odds) is the symmetrised
Kullback-Leibler divergence of their posteriors, (sigma(a) - sigma(b)) (a - b), in nats.
Distances are compared in pairs, episode by episode. Good estimators of one task agree
on most episodes (exact Bayes and its plug-in correlate by .997 on task A), so the two
nearest candidates are also tried where *they* disagree most, among many that are drawn
for it. "None of them" is an answer: the nearest may be far.
"""

import itertools
import math
from collections.abc import Callable, Mapping
from contextlib import suppress

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from icl_mlflow.analysis import style
from icl_mlflow.analysis.base import Analysis, Subject, Topic
from icl_mlflow.analysis.episodes import as_shown
from icl_mlflow.analysis.findings import Conclusion, Findings
from icl_mlflow.analysis.side_by_side import panels, seed_marks
from icl_mlflow.analysis.subject import STREAM
from icl_mlflow.episodes import Episodes
from icl_mlflow.estimators import ESTIMATORS
from icl_mlflow.estimators.base import Estimator, estimate
from icl_mlflow.estimators.tuning import Calibrated
from icl_mlflow.evaluation import predict
from icl_mlflow.statistics import holm, mean_interval, numbers_of_row, paired_t
from icl_mlflow.tasks.base import NotKnownError

_MOST = 2_000
#: Drawn to find where two candidates disagree, fewer if their points are more; and the
#: share of these that is asked about.
_DRAWN, _DRAWN_POINTS, _KEPT = 10_000, 10_000 * 129, 0.1
#: The nearest candidate is none of them from this distance on, in nats.
_FAR = 0.05
#: Candidates that are nearer to each other than this answer alike, in nats.
_ALIKE = 2e-4
_SIGNIFICANCE = 0.05

#: The oracle knows what no predictor is told.
_NO_CANDIDATE = "oracle"

Candidates = Mapping[str, Callable[[Episodes], Tensor]]


def distance(logit_B: Tensor, other_B: Tensor) -> Tensor:
    """Symmetrised KL divergence of two answers: (B,), nats."""
    return (logit_B.sigmoid() - other_B.sigmoid()) * (logit_B - other_B)


def measure(subject: Subject) -> pd.DataFrame:
    """One row per set of episodes and candidate: its distance from the model.

    Of candidates that answer alike the first alone has a row. ``p`` is of its being
    no farther than the nearest of the set, after Holm over all candidates of the set;
    NaN for the nearest.
    """
    n_trained = subject.problem.n_context
    rows = []
    found: dict[str, Tensor] = {}
    for n_context in sorted({max(1, n_trained // 4), n_trained}):
        drawn = _drawn(subject, min(_MOST, len(subject.truth)), n_context, step=0)
        found = _distances(subject, _candidates(subject, n_context), drawn)
        rows += _rows(f"{n_context} points", found)
    nearest = sorted(found, key=lambda name: float(found[name].mean()))[:2]
    candidates = _candidates(subject, n_trained)
    pair = {name: candidates[name] for name in nearest}
    if len(pair) == 1:
        return pd.DataFrame(rows)
    count = min(_DRAWN, _DRAWN_POINTS // (n_trained + 1))
    drawn = _drawn(subject, count, n_trained, step=1)
    split = _distances(subject, pair, _where_they_differ(subject, pair, drawn))
    rows += _rows("where the two nearest differ most", split)
    return pd.DataFrame(rows)


def _drawn(subject: Subject, count: int, n_context: int, step: int) -> Episodes:
    return subject.task.sample(
        count, n_context, seed=subject.seed, stream=STREAM, step=step
    )


def _candidates(subject: Subject, n_context: int) -> Candidates:
    """What answers each question; those that the task does not know are left out."""
    task = subject.problem.task
    few = as_shown(subject, _drawn(subject, 2, n_context, step=0)).to("cpu")
    found: dict[str, Callable[[Episodes], Tensor]] = {}
    for name, base in ESTIMATORS.working().items():
        if name == _NO_CANDIDATE:
            continue
        one = base if base.is_calibrated else Calibrated(base)
        with suppress(NotKnownError):
            estimate(one, task, few)
            found[name] = _asked(one, subject)
    return found


def _asked(one: Estimator, subject: Subject) -> Callable[[Episodes], Tensor]:
    task = subject.problem.task
    return lambda seen: estimate(one, task, seen).double().cpu()


def _distances(
    subject: Subject, candidates: Candidates, drawn: Episodes
) -> dict[str, Tensor]:
    """Of every candidate from the model, (B,)."""
    shown = as_shown(subject, drawn)
    logit_B, seen = predict(subject.predictor, shown), shown.to("cpu")
    answers: dict[str, Tensor] = {}
    for name, asked in candidates.items():
        answer_B = asked(seen)
        gaps = (float(distance(answer_B, one).mean()) for one in answers.values())
        if min(gaps, default=math.inf) >= _ALIKE:
            answers[name] = answer_B
    return {name: distance(logit_B, one_B) for name, one_B in answers.items()}


def _where_they_differ(subject: Subject, pair: Candidates, drawn: Episodes) -> Episodes:
    """Those of the episodes on which two candidates are farthest from each other."""
    seen = as_shown(subject, drawn).to("cpu")
    one_B, other_B = (asked(seen) for asked in pair.values())
    kept = max(1, round(_KEPT * len(drawn)))
    farthest = distance(one_B, other_B).argsort(descending=True)[:kept]
    return drawn.chosen(farthest)


def _rows(episodes: str, found: Mapping[str, Tensor]) -> list[dict[str, object]]:
    nearest = min(found, key=lambda name: float(found[name].mean()))
    others = [name for name in found if name != nearest]
    p = [paired_t((found[name] - found[nearest]).numpy()).p for name in others]
    adjusted = dict(zip(others, holm(p), strict=True)) if others else {}
    rows = []
    for name, distance_B in found.items():
        row: dict[str, object] = {"episodes": episodes, "candidate": name}
        row |= mean_interval(distance_B.numpy(), "log").columns("distance")
        row |= {"p": adjusted.get(name, math.nan), "nearest": name == nearest}
        rows.append(row)
    return rows


def identified(frame: pd.DataFrame) -> tuple[str | None, str]:
    """Who one model is, of its table: a name, "" for none of them; None if unsure.

    And the nearest, whoever it is.
    """
    ordinary, split = _last_two(frame)
    near = ordinary.sort_values("distance")
    first = str(near.iloc[0]["candidate"])
    if float(near.iloc[0]["distance_low"]) > _FAR:
        return "", first
    told = split.sort_values("distance")
    name = str(told.iloc[0]["candidate"])
    is_told = len(told) < 2 or float(told.iloc[1]["p"]) <= _SIGNIFICANCE  # noqa: PLR2004 a pair
    rest = near[~near["candidate"].isin(told["candidate"])]
    is_sure = bool((rest["p"] <= _SIGNIFICANCE).all())
    is_near = float(near.iloc[0]["distance_high"]) < _FAR
    return (name if is_told and is_sure and is_near else None), name


def _last_two(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The episodes of the trained length, and those where the two nearest differ."""
    *_, ordinary, split = (part for _, part in frame.groupby("episodes", sort=False))
    return ordinary, split


def summarise(frame: pd.DataFrame) -> dict[str, float]:
    """Every distance (nats) on ordinary episodes of the trained length."""
    ordinary, _ = _last_two(frame)
    numbers: dict[str, float] = {}
    for row in ordinary.to_dict("records"):
        numbers |= numbers_of_row(row, "distance", f"distance_to_{row['candidate']}")
    return numbers


def draw(frame: pd.DataFrame) -> Figure:
    """The distance of every candidate, a panel a set of episodes, a mark a model."""
    sets = frame.groupby("episodes", sort=False)
    n_candidates = frame["candidate"].nunique()
    drawn, panels = style.small_multiples(
        len(sets), panel=(4.8, 1.4 + 0.28 * n_candidates)
    )
    order = frame.groupby("candidate")["distance"].median().sort_values(ascending=False)
    for axes, (name, part) in zip(panels, sets, strict=True):
        present = [one for one in order.index if one in set(part["candidate"])]
        places = {candidate: place for place, candidate in enumerate(present)}
        palette = itertools.cycle(style.CYCLE)
        for model, rows in part.groupby("model", sort=False):
            style.interval_points(
                axes,
                [places[one] for one in rows["candidate"]],
                rows,
                "distance",
                color=next(palette),
                label=str(model),
                across=True,
            )
        axes.axvline(_FAR, color=style.GREY, linewidth=1, linestyle="--")
        axes.set_yticks(list(places.values()), list(places))
        style.title(axes, str(name))
        axes.set(xlabel="distance from the model (nats)", ylabel="candidate")
        style.logarithmic(axes, "x")
    style.legend_below(drawn, panels)
    return drawn


def _beside(frame: pd.DataFrame) -> Figure:
    """The distance of every candidate at the trained length, of every seed."""
    models = frame.groupby("model", sort=False)
    ordinary = pd.concat([_last_two(part)[0] for _, part in models])
    ordinary = ordinary.assign(name=ordinary["candidate"])
    names = list(ordinary.groupby("name")["distance"].median().sort_values().index)

    def paint(axes: Axes, part: pd.DataFrame) -> None:
        far = f"from {_FAR} nats on: none of them"
        axes.axvline(_FAR, color=style.GREY, linewidth=1, linestyle="--", label=far)
        seed_marks(axes, part, names, "distance", label="candidate", color=style.MODEL)
        style.logarithmic(axes, "x")

    return panels(
        ordinary,
        paint,
        xlabel="distance from the model (nats)",
        ylabel="candidate",
        names=names,
    )


def _verdict(found: Findings) -> Conclusion:
    each = [identified(part) for _, part in found.frame.groupby("model", sort=False)]
    names = {name for name, _ in each}
    nearest = max({near for _, near in each}, key=[near for _, near in each].count)
    key = f"distance_to_{nearest}"
    far = found.phrase(key, "nats") if key in found else "an unknown distance"
    many = f" for {sum(near == nearest for _, near in each)} of {len(each)} models"
    answer: bool | None
    who = (
        f"the nearest of {len(found.numbers)} candidates is {nearest}"
        f"{many if len(each) > 1 else ''}, {far} away"
    )
    if names == {""}:
        answer, ending = False, f": none of them, for beyond {_FAR} nats is far"
    elif len(names) == 1 and None not in names:
        answer, ending = True, ", and nearer than its rival where the two differ most"
    else:
        answer, ending = None, "; not all models are surely one of them"
    return Conclusion(answer, f"{who}{ending}")


IDENTIFICATION = Analysis(
    question="Does the model answer as a known estimator does, and as which?",
    topic=Topic.COMPUTATION,
    measure=measure,
    summarise=summarise,
    draw=draw,
    verdict=_verdict,
    beside=_beside,
    most_episodes=_MOST,
)
