r"""Linear probes: which statistics the stream holds, beyond what controls hold.

From the stream at a place (after every block, at the query's token or averaged over the
context's) a ridge regression tells each statistic that the task knows of: those that
exact Bayes needs of the context, and further ones; exact Bayes' log-odds; the entropy
of its answer. R^2 is that of episodes left out of the fit. It says little by itself:
sums of what tokens are made of are linear in the stream of any model. So the same probe
is fitted to controls

    shuffled      the statistic of other episodes;
    random model  the same place of the model before training;
    raw features  what the tokens of that role are made of,

and *selectivity* is R^2 less the largest of these, paired by episode.

That a statistic can be read does not mean that the model reads it. So the stream is
moved along the probe, a tenth of the way to another episode's statistic, and
the change of the log-odds is held against the change of exact Bayes with the statistic
changed likewise: their *slope* is 1 where the model uses it as exact Bayes does, and 0
where it does not. Sources: arXiv 1909.03368 (selectivity), and exact Bayes.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import seaborn
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from icl_mlflow.analysis import style
from icl_mlflow.analysis.base import Analysis, Subject, Topic
from icl_mlflow.analysis.findings import Conclusion, Findings, all_of
from icl_mlflow.analysis.mechanism.internals import (
    no_internals,
    transformer_of,
    untrained,
)
from icl_mlflow.analysis.probing.places import Place, answers, raw_features, streams
from icl_mlflow.analysis.probing.targets import BAYES, Targets, targets_of
from icl_mlflow.analysis.side_by_side import group_of
from icl_mlflow.statistics import (
    Interval,
    LeftOut,
    Ridge,
    numbers_of_row,
    slope_interval,
    t_interval,
)

#: Episodes that probes are fitted to, and those of which the stream is moved.
_MOST, _MOST_MOVED = 2_000, 500
#: The stream is moved where a statistic can be told so well, and by which share of the
#: way to another episode's.
_TOLD, _WAY = 0.5, 0.1
#: The smallest selectivity, and the slopes, that count as held and as used.
_HELD, _USED = 0.05, (0.5, 1.5)
_UNKNOWN = Interval(math.nan, math.nan, math.nan, 1)


def measure(subject: Subject) -> pd.DataFrame:
    """One row per place and statistic: R^2, that of controls, selectivity, slope.

    The slope is NaN where the stream was not moved: the statistic cannot be told there,
    exact Bayes does not depend on it alone, or nothing reads that place any more.
    """
    transformer = transformer_of(subject)
    asked = targets_of(subject, _MOST)
    seen = subject.truth.seen.rows(0, asked.n_episodes)
    controls = streams(untrained(subject), seen)
    raw = {
        role: Ridge(found.numpy())
        for role, found in raw_features(transformer, seen).items()
    }
    rows = []
    for place, stream_BM in streams(transformer, seen).items():
        told = Ridge(stream_BM.numpy())
        before = Ridge(controls[place].numpy())
        for statistic, target_BK in asked.statistics.items():
            target = target_BK.numpy()
            probe = told.fit(target)
            row: dict[str, object] = {
                "place": place.stage,
                "role": place.role,
                "statistic": statistic,
                "needed": statistic in asked.needed,
            }
            row |= probe.r2.columns("r2")
            row |= _beyond(
                probe,
                {
                    "shuffled": told.fit(np.roll(target, 1, axis=0)),
                    "random_model": before.fit(target),
                    "raw_features": raw[place.role].fit(target),
                },
            )
            row |= _slope(asked, place, statistic, probe).columns("slope")
            rows.append(row)
    return pd.DataFrame(rows)


def _beyond(probe: LeftOut, controls: Mapping[str, LeftOut]) -> dict[str, object]:
    """The R^2 of the controls, and how much more than the best of them is told."""
    found: dict[str, object] = {name: one.r2.mean for name, one in controls.items()}
    best = max(controls.values(), key=lambda one: one.r2.mean)
    return found | t_interval(probe.gain - best.gain).columns("selectivity")


def _slope(asked: Targets, place: Place, statistic: str, probe: LeftOut) -> Interval:
    """Of the change of the log-odds on that of exact Bayes."""
    transformer = transformer_of(asked.subject)
    is_read = place.role == "query" or place.layer < transformer.architecture.n_layers
    if probe.r2.mean < _TOLD or not is_read:
        return _UNKNOWN
    n_moved = min(_MOST_MOVED, asked.n_episodes)
    target_BK = asked.statistics[statistic][:n_moved]
    # Episodes are independent: the one before is a random other one. On the way to it
    # lie statistics that a context may have.
    change_BK = _WAY * (target_BK.roll(1, 0) - target_BK)
    bayes_B = asked.bayes_change(statistic, change_BK)
    if bayes_B is None:
        return _UNKNOWN
    seen = asked.subject.truth.seen.rows(0, n_moved)
    along = torch.from_numpy(np.linalg.pinv(probe.coefficients))
    moved_B = answers(transformer, seen, place, change_BK @ along)
    change_B = moved_B - asked.subject.logit_B[:n_moved]
    return slope_interval(bayes_B.numpy(), change_B.numpy())


def summarise(frame: pd.DataFrame) -> dict[str, float]:
    """Of each statistic, R^2 and selectivity where it is held most selectively, slope.

    The slope is the largest of all places. ``least_selectivity`` is the smallest of the
    statistics that exact Bayes needs.
    """
    held = dict(_rows_with_most(frame, "selectivity"))
    used = dict(_rows_with_most(frame, "slope"))
    needed = [row for row in held.values() if row["needed"]]
    least = min(needed, key=lambda row: float(row["selectivity"]))
    numbers = numbers_of_row(least, "selectivity", "least_selectivity")
    for statistic, row in held.items():
        for column in ("r2", "selectivity"):
            numbers |= numbers_of_row(row, column, f"{statistic}_{column}")
        numbers |= numbers_of_row(used[statistic], "slope", f"{statistic}_slope")
    return numbers


def _rows_with_most(
    frame: pd.DataFrame, column: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each statistic, and the row of the place with most of a number."""
    for statistic, part in frame.groupby("statistic", sort=False):
        order = part.sort_values(column, ascending=False, kind="stable")
        row = order.to_dict("records")[0]
        yield str(statistic), {str(name): value for name, value in row.items()}


def draw(frame: pd.DataFrame) -> Figure:
    """R^2, selectivity and slope by statistic and place, a row of panels a variant."""
    groups = frame.groupby(frame["model"].map(group_of), sort=False)
    n_statistics = frame["statistic"].nunique()
    n_places = len(frame[["place", "role"]].drop_duplicates())
    panel = (1.6 + 0.62 * n_places, 1.7 + 0.36 * n_statistics)
    drawn, panels = style.figure(len(groups), len(_PANELS), panel=panel)
    rest = iter(panels)
    for group, part in groups:
        n_models = part["model"].nunique()
        several = f" ({n_models} models, mean)" if n_models > 1 else ""
        for column, (title, colours) in _PANELS.items():
            axes = next(rest)
            _heat(axes, part, column, colours)
            style.title(axes, f"{group}{several}\n{title}")
    return drawn


#: Column to what it is called, and from where to where its colours reach.
_PANELS: Mapping[str, tuple[str, tuple[str, float, float]]] = {
    "r2": ("R² of a linear probe, held out", ("viridis", 0.0, 1.0)),
    "selectivity": ("R² beyond the best control", ("RdBu", -1.0, 1.0)),
    "slope": ("change of the answer: exact Bayes = 1", ("PuOr_r", -1.0, 3.0)),
}


def _heat(
    axes: Axes, frame: pd.DataFrame, column: str, colours: tuple[str, float, float]
) -> None:
    palette, low, high = colours
    places_in_order = list(dict.fromkeys(_labels(frame)))
    statistics = list(dict.fromkeys(frame["statistic"]))
    grid = (
        frame.assign(at=_labels(frame))
        .groupby(["statistic", "at"], sort=False)[column]
        .mean()
        .unstack("at")
        .reindex(index=statistics, columns=places_in_order)
    )
    axes.grid(visible=False)
    seaborn.heatmap(
        grid,
        ax=axes,
        cmap=palette,
        vmin=low,
        vmax=high,
        annot=True,
        fmt=".2f",
        annot_kws={"size": style.SMALL},
        cbar=False,
        linewidths=0.5,
    )
    axes.set(xlabel="tokens, and blocks passed", ylabel="statistic")
    axes.tick_params(axis="x", rotation=60)


def _labels(frame: pd.DataFrame) -> "pd.Series[str]":
    """``query, layer 1`` of every row."""
    return frame["role"] + ", " + frame["place"]


def _verdict(found: Findings) -> Conclusion:
    told = found.frame.drop_duplicates("statistic")
    needed = list(told[told["needed"]]["statistic"])
    low, high = _USED
    is_used = all_of(
        *(
            all_of(
                found.at_least(f"{name}_slope", low),
                found.below(f"{name}_slope", high),
            )
            for name in needed
        )
    )
    named = dict.fromkeys([*needed, BAYES])
    numbers = "; ".join(
        f"{name} beyond controls by {found.phrase(f'{name}_selectivity', digits=2)}, "
        f"slope {found.phrase(f'{name}_slope', digits=2)}"
        for name in named
        if f"{name}_slope" in found
    )
    return Conclusion(
        all_of(found.at_least("least_selectivity", _HELD), is_used),
        f"where each is held most selectively, and used most, the stream tells "
        f"{numbers}; beyond by {_HELD:g} is held, a slope from {low:g} to {high:g} is "
        "used as exact Bayes does (undefined where no place tells it well enough)",
    )


PROBES = Analysis(
    question="Does the stream hold the statistics that exact Bayes needs, and does "
    "the answer use them?",
    topic=Topic.PLACE,
    by_default=False,
    measure=measure,
    summarise=summarise,
    draw=draw,
    verdict=_verdict,
    headline="least_selectivity",
    refuses=no_internals,
    most_episodes=_MOST,
)
