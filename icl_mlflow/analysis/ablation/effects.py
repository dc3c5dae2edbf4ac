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

from icl_mlflow.analysis.ablation.decision import (
    SIGNIFICANCE,
    SMALLEST_OF_INTEREST,
    Decision,
    Evidence,
    decide,
)
from icl_mlflow.analysis.ablation.group import Group, Row, alone, columns
from icl_mlflow.estimators.ceilings import Ceilings
from icl_mlflow.statistics import (
    order_interval,
    paired_difference,
    seeds_needed_range,
    seeds_to_tell_shares,
)
from icl_mlflow.training.results import MemberResult

#: Bayes found on another machine may differ by rounding.
_ROUNDING = 1e-6


@dataclass(frozen=True, kw_only=True)
class CellMembers:
    """The runs that are compared with each other: all, or those of a grid's cell.

    Attributes:
        where: column to value, of the cell; nothing without a grid.
        members: the runs that finished.
        ceilings: by variant.
    """

    where: Mapping[str, float | str]
    members: Sequence[MemberResult]
    ceilings: Mapping[str, Ceilings]


def measure(
    members: Sequence[MemberResult],
    ceilings: Mapping[str, Ceilings],
    baseline: str = "baseline",
    n_resamples: int = 1_000,
    n_planned: int | None = None,
) -> pd.DataFrame:
    """The rows of `measure_cells` without a grid.

    Args:
        members: the runs that finished.
        ceilings: by variant.
        baseline: as there.
        n_resamples: as there.
        n_planned: as there.
    """
    alone = CellMembers(where={}, members=members, ceilings=ceilings)
    return measure_cells([alone], baseline, n_resamples, n_planned)


def measure_cells(
    cells: Sequence[CellMembers],
    baseline: str = "baseline",
    n_resamples: int = 1_000,
    n_planned: int | None = None,
) -> pd.DataFrame:
    """One row a cell and variant, in the order of ``ceilings``, the baseline too.

    Of every number the mean over seeds, and as ``_low`` and ``_high`` the ends of
    `order_interval`: ``accuracy``, ``loss`` and ``excess_risk`` over exact Bayes on the
    test episodes, ``own_excess`` over the variant's own ceiling and
    ``own_excess_taken_off`` of the seeds that took off. ``seeds`` and ``each_risk``
    list every seed and its excess risk; ``bayes_accuracy`` is what exact Bayes expects.
    Further columns: where the cell is, what `_against` and `_decided` add, both
    ceilings, who took off when, and whose curves still fell. All variants of all cells
    are decided about together.

    Args:
        cells: each with runs of its own.
        baseline: the variant that the others of a cell are compared with.
        n_resamples: of the bootstrap over episodes.
        n_planned: seeds that every variant was to have; None for those that finished.
    """
    rows: list[Row] = []
    compared: list[tuple[Row, Evidence]] = []
    for cell in cells:
        groups = _groups(cell)
        base = next((group for group in groups if group.name == baseline), None)
        for group in groups:
            row = {**cell.where, **alone(group, n_planned)}
            row["is_baseline"] = group is base
            rows.append(row)
            if group is not base:
                row |= _against(group, base, n_resamples)
                compared.append((row, _evidence(group, base, row)))
    decisions = decide([one for _, one in compared])
    for (row, one), found in zip(compared, decisions, strict=True):
        row.update(_decided(one, found))
    return pd.DataFrame(rows)


def _groups(cell: CellMembers) -> list[Group]:
    """The variants of a cell of which a seed has finished."""
    groups = [
        Group(
            name=name,
            seeds={m.seed: m for m in cell.members if m.variant == name},
            ceilings=found,
        )
        for name, found in cell.ceilings.items()
    ]
    return [group for group in groups if group.seeds]


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


def _against(group: Group, base: Group | None, n_resamples: int) -> Row:
    """The variant's own excess minus the baseline's, over the seeds that both have.

    ``difference`` over all of them, with each seed's in ``each_difference`` and, where
    both answered the same problem, the bootstrap interval over episodes; ``gap`` over
    the ``n_gaps`` with which both took off. ``baseline_took_off`` counts all seeds of
    the baseline.
    """
    row: Row = {
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
        **columns("difference", order_interval(list(gaps.values()))),
        "each_difference": " ".join(f"{gap:+.4f}" for gap in gaps.values()),
        "n_gaps": len(both),
        "each_gap": " ".join(map(repr, both)),
        "same_problem": all(_same_problem(one, other) for one, other in pairs),
    }
    if both:
        row |= columns("gap", order_interval(both))
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


def _evidence(group: Group, base: Group | None, row: Row) -> Evidence:
    return Evidence(
        took_off=len(group.took_off),
        n_seeds=len(group.seeds),
        baseline_took_off=0 if base is None else len(base.took_off),
        baseline_seeds=0 if base is None else len(base.seeds),
        gaps=[float(gap) for gap in str(row["each_gap"]).split()],
        is_chance=group.ceilings.ideal.is_chance,
        same_problem=bool(row["same_problem"]),
    )


def _decided(one: Evidence, found: Decision) -> Row:
    """The verdict, its p-values after Holm, and how many seeds would tell.

    ``seeds_needed_low`` to ``seeds_needed_high``: to tell differences apart that lie
    `SMALLEST_OF_INTEREST` apart; ``seeds_to_tell``: the two shares that took off, were
    they as observed, drawn a little together.
    """
    row: Row = {
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
