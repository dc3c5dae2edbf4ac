"""The effect of each variant over many seeds, on the same seeds and episodes.

The compared number of a variant is its excess risk over its own ceiling, the ideal
learner of its training, minus the baseline's over its own, seed by seed, where both
took off. How that becomes a word is `icl_mlflow.analysis.ablation.decision`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from icl_mlflow.analysis.ablation.decision import (
    SIGNIFICANCE,
    SMALLEST_OF_INTEREST,
    Decision,
    Evidence,
    decide,
)
from icl_mlflow.estimators.ceilings import Ceilings
from icl_mlflow.evaluation import accuracy, log_loss
from icl_mlflow.statistics import (
    Interval,
    binomial_interval,
    normal_interval_paper,
    order_interval,
    paired_difference,
    seeds_needed_range,
    seeds_to_tell_shares,
)
from icl_mlflow.training.results import MemberResult

_Row = dict[str, float | str | bool]
#: Bayes found on another machine may differ by rounding.
_ROUNDING = 1e-6


@dataclass(frozen=True, kw_only=True)
class _Group:
    """The members of one variant by seed, and its ceilings."""

    name: str
    seeds: Mapping[int, MemberResult]
    ceilings: Ceilings

    @property
    def took_off(self) -> list[int]:
        """The seeds that took off."""
        return [seed for seed, m in self.seeds.items() if m.started is not None]


def measure(
    members: Sequence[MemberResult],
    ceilings: Mapping[str, Ceilings],
    baseline: str = "baseline",
    n_resamples: int = 1_000,
    n_planned: int | None = None,
) -> pd.DataFrame:
    """One row a variant, in the order of ``ceilings``, the baseline among them.

    Of every number the mean over seeds, and as ``_low`` and ``_high`` the ends of
    `order_interval`: ``accuracy``, ``loss`` and ``excess_risk`` over exact Bayes on the
    test episodes, ``own_excess`` over the variant's own ceiling and
    ``own_excess_taken_off`` of the seeds that took off. ``seeds`` and ``each_risk``
    list every seed and its excess risk. Further columns: what `_against` and
    `_decided` add, both ceilings, who took off when, and whose curves still fell.

    Args:
        members: the runs that finished.
        ceilings: by variant.
        baseline: the variant that the others are compared with.
        n_resamples: of the bootstrap over episodes.
        n_planned: seeds that every variant was to have; None for those that finished.
    """
    groups = [
        _Group(
            name=name,
            seeds={m.seed: m for m in members if m.variant == name},
            ceilings=found,
        )
        for name, found in ceilings.items()
    ]
    groups = [group for group in groups if group.seeds]
    base = next((group for group in groups if group.name == baseline), None)
    rows = {group.name: _alone(group, n_planned) for group in groups}
    rest = [group for group in groups if group is not base]
    if base is not None:
        rows[baseline]["is_baseline"] = True
    for group in rest:
        rows[group.name] |= _against(group, base, n_resamples)
    evidence = [_evidence(group, base, rows[group.name]) for group in rest]
    for group, one, found in zip(rest, evidence, decide(evidence), strict=True):
        rows[group.name] |= _decided(one, found)
    return pd.DataFrame(rows.values())


def own_differences(
    members: Sequence[MemberResult],
    ceilings: Mapping[str, Ceilings],
    baseline: str = "baseline",
) -> dict[str, float]:
    """Run id to a member's own excess minus that of the baseline of its seed, nats.

    What ``each_difference`` of `measure` lists; 0 for the baseline itself, and nothing
    for a seed without one.
    """
    base = {m.seed: m for m in members if m.variant == baseline}
    found = {}
    for member in members:
        if member.seed in base:
            ours = member.risk_over(ceilings[member.variant])
            theirs = base[member.seed].risk_over(ceilings[baseline])
            n_episodes = min(len(ours), len(theirs))
            gap_B = ours[:n_episodes] - theirs[:n_episodes]
            found[member.run_id] = float(gap_B.mean())
    return found


def history(members: Sequence[MemberResult]) -> pd.DataFrame:
    """The learning curves of all members: ``variant``, ``seed``, ``epoch``, metrics."""
    frames = [
        member.history.assign(variant=member.variant, seed=member.seed)
        for member in members
    ]
    return pd.concat(frames, ignore_index=True)


def paper_table(curves: pd.DataFrame, by: Sequence[str] = ("variant",)) -> pd.DataFrame:
    """The paper's own table: last-epoch accuracies with its 1.96-interval.

    Args:
        curves: one row a run and epoch: of `history`.
        by: columns that tell the rows of the table apart; runs that agree in them
            differ in their seed alone.
    """
    last = curves.sort_values("epoch", kind="stable").groupby([*by, "seed"]).tail(1)
    rows = []
    for key, group in last.sort_index().groupby(list(by), sort=False):
        row: dict[str, object] = dict(zip(by, key, strict=True))
        row["n_seeds"] = len(group)
        for metric in ("train", "val"):
            interval = normal_interval_paper(group[f"{metric}/accuracy"].to_numpy())
            half = interval.high - interval.mean
            shown = f"{interval.mean:.4f}"
            row[f"{metric}_accuracy"] = (
                shown if math.isnan(half) else f"{shown} ± {half:.4f}"
            )
        rows.append(row)
    return pd.DataFrame(rows)


def _alone(group: _Group, n_planned: int | None) -> _Row:
    """What there is to say of a variant without the baseline."""
    members = list(group.seeds.values())
    answers = [
        (torch.from_numpy(m.logit_B), torch.from_numpy(m.label_B)) for m in members
    ]
    risks = [float(m.risk_B.mean()) for m in members]
    own = {s: float(m.risk_over(group.ceilings).mean()) for s, m in group.seeds.items()}
    started = [m.started for m in members if m.started is not None]
    falls = [m.falling for m in members if m.started is not None and m.falling > 0]
    row: _Row = {
        "variant": group.name,
        "is_baseline": False,
        "n_seeds": len(members),
        "n_planned": len(members) if n_planned is None else n_planned,
        "seeds": " ".join(map(str, group.seeds)),
        "each_risk": " ".join(f"{risk:.4f}" for risk in risks),
        **_columns("accuracy", order_interval([accuracy(*one) for one in answers])),
        **_columns("loss", order_interval([log_loss(*one) for one in answers])),
        **_columns("excess_risk", order_interval(risks)),
        **_columns("own_excess", order_interval(list(own.values()))),
        "n_epochs": len(members[0].history),
        "took_off": len(started),
        **_columns("share", binomial_interval(len(started), len(members))),
        "take_off_epoch": float(np.median(started)) if started else math.nan,
        "still_falling": len(falls),
        "fall": float(np.median(falls)) if falls else 0.0,
    }
    if started:
        taken_off = order_interval([own[seed] for seed in group.took_off])
        row |= _columns("own_excess_taken_off", taken_off)
    return row | _ceiling_columns(group.ceilings)


def _ceiling_columns(found: Ceilings) -> _Row:
    row: _Row = {}
    for name, ceiling in (("shown", found.shown), ("ideal", found.ideal)):
        row |= {
            f"{name}_accuracy": ceiling.accuracy,
            f"{name}_loss": ceiling.loss,
            f"{name}_kind": ceiling.kind,
            f"{name}_why": ceiling.why,
        }
    return row | {"ideal_is_chance": found.ideal.is_chance}


def _columns(name: str, interval: Interval) -> _Row:
    return {
        name: interval.mean,
        f"{name}_low": interval.low,
        f"{name}_high": interval.high,
    }


def _against(group: _Group, base: _Group | None, n_resamples: int) -> _Row:
    """The variant's own excess minus the baseline's, over the seeds that both have.

    ``difference`` over all of them, with each seed's in ``each_difference`` and, where
    both answered the same problem, the bootstrap interval over episodes; ``gap`` over
    the ``n_gaps`` with which both took off. ``baseline_took_off`` counts all seeds of
    the baseline.
    """
    row: _Row = {
        "baseline_seeds": 0 if base is None else len(base.seeds),
        "baseline_took_off": 0 if base is None else len(base.took_off),
        "n_gaps": 0,
        "each_gap": "",
        "same_problem": True,
    }
    shared = [] if base is None else [s for s in group.seeds if s in base.seeds]
    if base is None or not shared:
        return row
    pairs = [(group.seeds[seed], base.seeds[seed]) for seed in shared]
    ours = [one.risk_over(group.ceilings) for one, _ in pairs]
    theirs = [other.risk_over(base.ceilings) for _, other in pairs]
    n_episodes = min(map(len, ours + theirs))
    ours, theirs = (
        [risk_B[:n_episodes] for risk_B in risks] for risks in (ours, theirs)
    )
    gaps = {
        seed: float(one.mean() - other.mean())
        for seed, one, other in zip(shared, ours, theirs, strict=True)
    }
    both = [gaps[s] for s in shared if s in group.took_off and s in base.took_off]
    row |= {
        **_columns("difference", order_interval(list(gaps.values()))),
        "each_difference": " ".join(f"{gap:+.4f}" for gap in gaps.values()),
        "n_gaps": len(both),
        "each_gap": " ".join(map(repr, both)),
        "same_problem": all(_same_problem(one, other) for one, other in pairs),
    }
    if both:
        row |= _columns("gap", order_interval(both))
    if row["same_problem"]:
        rng = np.random.default_rng(0)
        found = paired_difference(ours, theirs, rng, n_resamples=n_resamples)
        row["difference_episodes_low"] = found.episodes.low
        row["difference_episodes_high"] = found.episodes.high
    return row


def _same_problem(one: MemberResult, other: MemberResult) -> bool:
    """Whether both were asked about the same episodes."""
    return bool(
        np.array_equal(one.label_B, other.label_B)
        and np.allclose(one.bayes_B, other.bayes_B, atol=_ROUNDING)
    )


def _evidence(group: _Group, base: _Group | None, row: _Row) -> Evidence:
    return Evidence(
        took_off=len(group.took_off),
        n_seeds=len(group.seeds),
        baseline_took_off=0 if base is None else len(base.took_off),
        baseline_seeds=0 if base is None else len(base.seeds),
        gaps=[float(gap) for gap in str(row["each_gap"]).split()],
        is_chance=group.ceilings.ideal.is_chance,
        same_problem=bool(row["same_problem"]),
    )


def _decided(one: Evidence, found: Decision) -> _Row:
    """The verdict, its p-values after Holm, and how many seeds would tell.

    ``seeds_needed_low`` to ``seeds_needed_high``: to tell differences apart that lie
    `SMALLEST_OF_INTEREST` apart; ``seeds_to_tell``: the two shares that took off, were
    they as observed, drawn a little together.
    """
    row: _Row = {
        "verdict": str(found.kind),
        "p_take_off": found.p_take_off,
        "p_difference": found.p_difference,
        "p_zero": found.p_zero,
        "n_take_off": found.n_take_off,
        "n_difference": found.n_difference,
        "seeds_needed_low": math.nan,
        "seeds_needed_high": math.nan,
        "seeds_to_tell": math.nan,
    }
    if found.spread > 0:
        level = 1 - SIGNIFICANCE / found.n_difference
        needed = seeds_needed_range(
            found.spread, len(one.gaps), SMALLEST_OF_INTEREST, level=level
        )
        row["seeds_needed_low"], row["seeds_needed_high"] = map(float, needed)
    if one.baseline_seeds and not math.isnan(found.p_take_off):
        shares = [
            round((count + 0.5) / (n + 1), 3)
            for count, n in (
                (one.took_off, one.n_seeds),
                (one.baseline_took_off, one.baseline_seeds),
            )
        ]
        strictest = SIGNIFICANCE / max(1, found.n_take_off)
        told = None
        if found.p_take_off > SIGNIFICANCE and shares[0] < shares[1]:
            told = seeds_to_tell_shares(*shares, strictest)
        row["seeds_to_tell"] = math.nan if told is None else float(told)
    return row
