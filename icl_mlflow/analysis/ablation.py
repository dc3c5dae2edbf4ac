"""What does each variant cost, over many seeds, on the same seeds and episodes?

The headline of a variant is its excess risk over Bayes minus the baseline's, seed by
seed. Where both answered the same test episodes the difference is paired by episode
too. A difference is called only after Holm's correction over the family: all variants
tested, but for those whose ceiling was chance before any was trained.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import torch

from icl_mlflow.estimators.ceilings import Ceiling
from icl_mlflow.evaluation import accuracy, excess_risk, log_loss
from icl_mlflow.statistics import (
    Interval,
    detectable_difference,
    holm,
    normal_interval_paper,
    paired_difference,
    paired_t,
    seeds_needed,
    t_interval,
    take_off_epoch,
)
from icl_mlflow.statistics.sample import Sample

#: Differences within this many nats of 0 count as none.
SMALLEST_OF_INTEREST = 0.01

#: The chance of any false call among all variants.
LEVEL = 0.05


_Row = dict[str, float | str | bool]


@dataclass(frozen=True, kw_only=True)
class Member:
    """One finished training run of a suite, as far as statistics need it.

    Attributes:
        run_id: of its MLflow run.
        variant: its name.
        seed: its number.
        history: one row an epoch: ``epoch`` and every metric by its name.
        logit_B: the model's log-odds on the test episodes, nats.
        bayes_B: the exact Bayes log-odds on them, nats.
        label_B: their labels, 0 or 1.
    """

    run_id: str
    variant: str
    seed: int
    history: pd.DataFrame
    logit_B: Sample
    bayes_B: Sample
    label_B: Sample

    @cached_property
    def risk_B(self) -> Sample:
        """Excess risk of every test episode, nats."""
        logit_B, bayes_B = map(torch.from_numpy, (self.logit_B, self.bayes_B))
        found: Sample = excess_risk(logit_B, bayes_B).numpy()
        return found

    @cached_property
    def started(self) -> int | None:
        """The epoch in which it took off; None if it never did."""
        return take_off_epoch(
            self.history["val/loss"], self.history["val/loss_standard_error"]
        )


def measure(
    members: Sequence[Member],
    ceilings: Mapping[str, Ceiling],
    baseline: str = "baseline",
    n_resamples: int = 1_000,
    n_planned: int | None = None,
) -> pd.DataFrame:
    """One row a variant, in the order of ``ceilings``, the baseline among them.

    Columns: how many seeds finished (``n_seeds``) of those ``n_planned``; mean and ends
    of the t interval over seeds of ``accuracy``, ``loss`` and ``excess_risk`` on the
    test episodes; ``difference`` of the excess risk from the baseline's over the
    ``n_pairs`` seeds that both have, with its interval, ``p`` and ``p_holm`` over the
    ``n_tested`` variants of the family, and with the bootstrap interval over episodes;
    how many of these baseline seeds took off; how many seeds ``took_off`` and the
    median ``take_off_epoch``; the ceiling; and the power of the comparison, at the
    level that the smallest p-value of the family must pass.

    Args:
        members: the runs that finished.
        ceilings: by variant.
        baseline: the variant that the others are compared with.
        n_resamples: of the bootstrap over episodes.
        n_planned: seeds that every variant was to have; None for those that finished.
    """
    by_variant = {
        name: {m.seed: m for m in members if m.variant == name} for name in ceilings
    }
    rows = []
    for name, ceiling in ceilings.items():
        seeds = by_variant[name]
        if not seeds:
            continue
        row: _Row = {
            "variant": name,
            "is_baseline": name == baseline,
            "n_seeds": len(seeds),
            "n_planned": len(seeds) if n_planned is None else n_planned,
        }
        row |= _averages(list(seeds.values()))
        row |= _take_off(list(seeds.values()))
        row |= {
            "ceiling_accuracy": ceiling.accuracy,
            "ceiling_loss": ceiling.loss,
            "ceiling_kind": ceiling.kind,
            "ceiling_is_chance": ceiling.is_chance,
            "ceiling_why": ceiling.why,
        }
        if name != baseline:
            row |= _difference(seeds, by_variant.get(baseline, {}), n_resamples)
        rows.append(row)
    return _with_family(pd.DataFrame(rows))


def history(members: Sequence[Member]) -> pd.DataFrame:
    """The learning curves of all members: ``variant``, ``seed``, ``epoch``, metrics."""
    frames = [
        member.history.assign(variant=member.variant, seed=member.seed)
        for member in members
    ]
    return pd.concat(frames, ignore_index=True)


def paper_table(members: Sequence[Member]) -> pd.DataFrame:
    """The paper's own table: last-epoch accuracies with its 1.96-interval."""
    rows = []
    for name in dict.fromkeys(member.variant for member in members):
        last = [m.history.iloc[-1] for m in members if m.variant == name]
        row: dict[str, str | int] = {"variant": name, "n_seeds": len(last)}
        for metric in ("train", "val"):
            values = [float(r[f"{metric}/accuracy"]) for r in last]
            interval = normal_interval_paper(values)
            half = interval.high - interval.mean
            shown = f"{interval.mean:.4f}"
            row[f"{metric}_accuracy"] = (
                shown if math.isnan(half) else f"{shown} ± {half:.4f}"
            )
        rows.append(row)
    return pd.DataFrame(rows)


def _averages(members: Sequence[Member]) -> _Row:
    answers = [
        (torch.from_numpy(m.logit_B), torch.from_numpy(m.label_B)) for m in members
    ]
    accuracies = [accuracy(logit_B, label_B) for logit_B, label_B in answers]
    losses = [log_loss(logit_B, label_B) for logit_B, label_B in answers]
    risks = [float(m.risk_B.mean()) for m in members]
    return {
        **_columns("accuracy", t_interval(accuracies)),
        **_columns("loss", t_interval(losses)),
        **_columns("excess_risk", t_interval(risks)),
    }


def _columns(name: str, interval: Interval) -> _Row:
    return {
        name: interval.mean,
        f"{name}_low": interval.low,
        f"{name}_high": interval.high,
    }


def _take_off(members: Sequence[Member]) -> _Row:
    started = [m.started for m in members if m.started is not None]
    return {
        "n_epochs": len(members[0].history),
        "took_off": len(started),
        "take_off_epoch": float(np.median(started)) if started else math.nan,
    }


def _difference(
    seeds: Mapping[int, Member], baseline: Mapping[int, Member], n_resamples: int
) -> _Row:
    """Excess risk minus the baseline's, over the seeds that both have."""
    shared = [seed for seed in seeds if seed in baseline]
    if not shared:
        return {}
    pairs = [(seeds[seed], baseline[seed]) for seed in shared]
    ours = [variant.risk_B for variant, _ in pairs]
    theirs = [base.risk_B for _, base in pairs]
    gaps = [float(o.mean() - t.mean()) for o, t in zip(ours, theirs, strict=True)]
    over_seeds = paired_t(gaps)
    row: _Row = {
        **_columns("difference", over_seeds.difference),
        "n_pairs": len(pairs),
        "baseline_took_off": sum(base.started is not None for _, base in pairs),
        "difference_sd": float(np.std(gaps, ddof=1)) if len(gaps) > 1 else math.nan,
        "p": over_seeds.p,
    }
    same_episodes = all(
        np.array_equal(variant.label_B, base.label_B)
        and np.array_equal(variant.bayes_B, base.bayes_B)
        for variant, base in pairs
    )
    row["same_episodes"] = same_episodes
    if same_episodes:
        rng = np.random.default_rng(0)
        both = paired_difference(ours, theirs, rng, n_resamples=n_resamples)
        row["difference_episodes_low"] = both.episodes.low
        row["difference_episodes_high"] = both.episodes.high
    return row


def _with_family(table: pd.DataFrame) -> pd.DataFrame:
    """Add what depends on how many variants were tested: ``p_holm`` and the power."""
    if "p" not in table:
        return table.assign(n_tested=0, p_holm=math.nan)
    is_tested = table["p"].notna() & ~table["ceiling_is_chance"]
    tested = table[is_tested]
    table = table.assign(n_tested=len(tested), p_holm=math.nan)
    if tested.empty:
        return table
    table.loc[is_tested, "p_holm"] = holm(tested["p"].to_numpy())
    level = 1 - LEVEL / len(tested)
    sds, pairs = tested["difference_sd"], tested["n_pairs"].astype(int)
    # In units of the standard deviation; the search is slow and most share their n.
    effects = {n: detectable_difference(1.0, n, level=level) for n in pairs.unique()}
    table.loc[is_tested, "seeds_needed"] = [_needed(sd, level) for sd in sds]
    table.loc[is_tested, "detectable_difference"] = sds * pairs.map(effects)
    return table


def _needed(sd: float, level: float) -> int:
    """How many seeds would see the smallest difference of interest."""
    return seeds_needed(sd, SMALLEST_OF_INTEREST, level=level) if sd > 0 else 2
