r"""Tuned lens: a read-out of its own at every depth, beside the model's own read-out.

The logit lens reads the stream after every block with the last read-out, which it was
not made for. The tuned lens fits one at each depth: the affine log-odds of the query's
stream that are nearest to the model's answer in Kullback-Leibler divergence, a convex
problem, fitted to episodes of their own and reported on others. At the last depth it is
the read-out. What it tells of the answer is the share of the divergence from the best
constant that it removes: 1 where the answer can be read off. Sources: arXiv 2303.08112
(tuned lens), arXiv 2603.10573, part III (logit lens).
"""

import math

import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from icl_mlflow.analysis import style
from icl_mlflow.analysis.base import Analysis, Subject, Topic
from icl_mlflow.analysis.curves import averaged
from icl_mlflow.analysis.episodes import as_shown
from icl_mlflow.analysis.findings import Conclusion, Findings
from icl_mlflow.analysis.mechanism.internals import no_internals, transformer_of
from icl_mlflow.analysis.mechanism.logit_lens import lens
from icl_mlflow.analysis.probing.places import Place, streams
from icl_mlflow.analysis.sentences import band_meaning
from icl_mlflow.analysis.side_by_side import group_of
from icl_mlflow.evaluation import excess_risk, predict
from icl_mlflow.statistics import (
    Interval,
    SoftLogistic,
    mean_interval,
    numbers_of_row,
    soft_logistic,
    t_interval,
)

#: Episodes reported on; read-outs are fitted to twice as many others.
_MOST = 2_000
_FITTED = 2
_STREAM = "analysis tuned lens"
#: Which share of the answer counts as there.
_THERE = 0.95
#: Below it axes are linear, so that exactly 0 has a place.
_NEAR_ZERO = 1e-4
_LOOKS = {"tuned lens": (style.BLUE, "-", "o"), "logit lens": (style.ORANGE, "--", "s")}
_METRICS = {
    "kl": "divergence from the model's answer (nats)",
    "excess_risk": "excess risk over exact Bayes (nats)",
}


def fitted(subject: Subject, n_episodes: int) -> dict[Place, SoftLogistic]:
    """The read-out of every depth at the query's token, fitted to other episodes."""
    drawn = subject.task.sample(
        n_episodes, subject.problem.n_context, seed=subject.seed, stream=_STREAM
    )
    shown = as_shown(subject, drawn)
    logit_B = predict(subject.predictor, shown).numpy()
    return {
        place: soft_logistic(stream_BM.numpy(), logit_B)
        for place, stream_BM in streams(transformer_of(subject), shown).items()
        if place.role == "query"
    }


def measure(subject: Subject) -> pd.DataFrame:
    """One row per depth and lens: divergence (nats), share told, excess risk (nats)."""
    transformer = transformer_of(subject)
    n_episodes = min(_MOST, len(subject.truth))
    seen = subject.truth.seen.rows(0, n_episodes)
    logit_B = subject.logit_B[:n_episodes]
    bayes_B = subject.truth.bayes_B[:n_episodes]
    readouts = fitted(subject, _FITTED * n_episodes)
    found = streams(transformer, seen)
    raw = lens(transformer, seen)
    constant_B = torch.full_like(logit_B, float(logit_B.sigmoid().mean().logit()))
    nothing_B = excess_risk(constant_B, logit_B)
    rows = []
    for place, readout in readouts.items():
        tuned_B = torch.from_numpy(readout.logit(found[place].numpy()))
        read = {"tuned lens": tuned_B, "logit lens": raw[place.stage]}
        for name, read_B in read.items():
            row: dict[str, object] = {"stage": place.stage, "lens": name}
            divergence_B = excess_risk(read_B, logit_B)
            row |= mean_interval(divergence_B.numpy(), "log").columns("kl")
            row |= _told(divergence_B, nothing_B).columns("told")
            risk_B = excess_risk(read_B, bayes_B)
            row |= mean_interval(risk_B.numpy(), "log").columns("excess_risk")
            rows.append(row)
    return pd.DataFrame(rows)


def _told(divergence_B: Tensor, nothing_B: Tensor) -> Interval:
    """One less the ratio of both means, with the interval of its linearisation."""
    whole = float(nothing_B.mean())
    if whole <= 0:
        return Interval(math.nan, math.nan, math.nan, 1)
    left = float(divergence_B.mean()) / whole
    gain_B = 1 - left + (left * nothing_B - divergence_B) / whole
    return t_interval(gain_B.numpy())


def summarise(frame: pd.DataFrame) -> dict[str, float]:
    """What the tuned lens tells at every depth, and both lenses' divergence (nats).

    ``told_before_last`` is the largest share before the last depth.
    """
    tuned = frame[frame["lens"] == "tuned lens"]
    before = tuned.iloc[:-1].sort_values("told", ascending=False).to_dict("records")
    numbers = numbers_of_row(before[0], "told", "told_before_last")
    for row in frame.to_dict("records"):
        key = f"{row['stage']}_{row['lens']}".replace(" ", "_")
        numbers |= numbers_of_row(row, "kl", f"{key}_kl")
        if row["lens"] == "tuned lens":
            numbers |= numbers_of_row(row, "told", f"{key}_told")
    return numbers


def draw(frame: pd.DataFrame) -> Figure:
    """Divergence and excess risk by depth, both lenses, a row of panels a variant."""
    groups = frame.groupby(frame["model"].map(group_of), sort=False)
    drawn, panels = style.figure(len(groups), len(_METRICS), panel=(4.8, 3.6))
    rest = iter(panels)
    for group, part in groups:
        n_models = part["model"].nunique()
        bars = band_meaning(n_models) if n_models > 1 else "95 % over episodes"
        for metric, label in _METRICS.items():
            axes = next(rest)
            _lines(axes, part, metric)
            style.title(axes, f"{group} (bars: {bars})")
            axes.set(xlabel="where the residual stream is read", ylabel=label)
    style.legend(panels[0])
    return drawn


def _lines(axes: Axes, frame: pd.DataFrame, metric: str) -> None:
    for name, (color, line, marker) in _LOOKS.items():
        curve = averaged(frame[frame["lens"] == name], "stage", metric)
        axes.errorbar(
            curve.index,
            curve["middle"],
            yerr=[curve["middle"] - curve["low"], curve["high"] - curve["middle"]],
            color=color,
            linestyle=line,
            marker=marker,
            markersize=4,
            capsize=2,
            label=name,
        )
    style.logarithmic(axes, "y", near_zero=_NEAR_ZERO)


def _verdict(found: Findings) -> Conclusion:
    ending = "_tuned_lens_told"
    stages = [n.removesuffix(ending) for n in found.numbers if n.endswith(ending)]
    told = [
        f"{found.phrase(f'{stage}{ending}', digits=2)} at {stage.replace('_', ' ')}, "
        f"where the logit lens is {found[f'{stage}_logit_lens_kl']:.3f} nats away"
        for stage in stages[:-1]
    ]
    return Conclusion(
        found.at_least("told_before_last", _THERE),
        f"a read-out of its own tells of the answer a share of "
        f"{'; '.join(told)}; {_THERE:.0%} counts as there",
    )


TUNED_LENS = Analysis(
    question="Can the answer be read off before the last layer, by a read-out of its "
    "own?",
    topic=Topic.PLACE,
    by_default=False,
    measure=measure,
    summarise=summarise,
    draw=draw,
    verdict=_verdict,
    headline="told_before_last",
    refuses=no_internals,
    most_episodes=_MOST,
)
