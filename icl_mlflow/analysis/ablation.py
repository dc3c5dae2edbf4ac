"""What does each variant cost, over many seeds, on the same seeds and episodes?

The headline of a variant is its excess risk over Bayes minus the baseline's, seed by
seed. Where both answered the same test episodes the difference is paired by episode
too. A difference is called only after Holm's correction over all variants tested.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from icl_mlflow.estimators.ceilings import Ceiling
from icl_mlflow.evaluation import excess_risk, log_loss
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

#: The difference in nats whose visibility the table reports.
SMALLEST_OF_INTEREST = 0.01


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


def measure(
    members: Sequence[Member],
    ceilings: Mapping[str, Ceiling],
    baseline: str = "baseline",
    n_resamples: int = 1_000,
) -> pd.DataFrame:
    """One row a variant, in the order of ``ceilings``, the baseline among them.

    Columns: mean and ends of the t interval over seeds of ``accuracy``, ``loss`` and
    ``excess_risk`` on the test episodes; ``difference`` of the excess risk from the
    baseline's with its interval, ``p`` and ``p_holm``, and with the bootstrap interval
    over episodes; how many seeds ``took_off`` and the median ``take_off_epoch``; the
    ceiling; and the power of the comparison.
    """
    by_variant = {
        name: {m.seed: m for m in members if m.variant == name} for name in ceilings
    }
    rows = []
    for name, ceiling in ceilings.items():
        seeds = by_variant[name]
        if not seeds:
            continue
        row: dict[str, float | str | bool] = {"variant": name, "n_seeds": len(seeds)}
        row |= _averages(list(seeds.values()))
        row |= _take_off(list(seeds.values()))
        row |= {
            "ceiling_accuracy": ceiling.accuracy,
            "ceiling_loss": ceiling.loss,
            "ceiling_kind": ceiling.kind,
        }
        if name != baseline:
            row |= _difference(seeds, by_variant.get(baseline, {}), n_resamples)
        rows.append(row)
    return _with_holm(pd.DataFrame(rows))


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


def _risks(member: Member) -> Sample:
    """Excess risk of every test episode, nats."""
    logit_B, bayes_B = (
        torch.from_numpy(member.logit_B),
        torch.from_numpy(member.bayes_B),
    )
    found: Sample = excess_risk(logit_B, bayes_B).numpy()
    return found


def _averages(members: Sequence[Member]) -> dict[str, float | str | bool]:
    accuracies = [float(((m.logit_B > 0) == (m.label_B > 0)).mean()) for m in members]
    losses = [
        log_loss(torch.from_numpy(m.logit_B), torch.from_numpy(m.label_B))
        for m in members
    ]
    risks = [float(_risks(m).mean()) for m in members]
    return {
        **_columns("accuracy", t_interval(accuracies)),
        **_columns("loss", t_interval(losses)),
        **_columns("excess_risk", t_interval(risks)),
    }


def _columns(name: str, interval: Interval) -> dict[str, float | str | bool]:
    return {
        name: interval.mean,
        f"{name}_low": interval.low,
        f"{name}_high": interval.high,
    }


def _take_off(members: Sequence[Member]) -> dict[str, float | str | bool]:
    epochs = [
        take_off_epoch(
            member.history["val/loss"], member.history["val/loss_standard_error"]
        )
        for member in members
    ]
    started = [epoch for epoch in epochs if epoch is not None]
    return {
        "n_epochs": len(members[0].history),
        "took_off": len(started),
        "take_off_epoch": float(np.median(started)) if started else math.nan,
    }


def _difference(
    seeds: Mapping[int, Member], baseline: Mapping[int, Member], n_resamples: int
) -> dict[str, float | str | bool]:
    """Excess risk minus the baseline's, over the seeds that both have."""
    shared = [seed for seed in seeds if seed in baseline]
    if not shared:
        return {}
    pairs = [(seeds[seed], baseline[seed]) for seed in shared]
    ours = [_risks(variant) for variant, _ in pairs]
    theirs = [_risks(base) for _, base in pairs]
    gaps = [float(o.mean() - t.mean()) for o, t in zip(ours, theirs, strict=True)]
    over_seeds = paired_t(gaps)
    row = {**_columns("difference", over_seeds.difference), "p": over_seeds.p}
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
    return row | _power(gaps)


def _power(gaps: Sequence[float]) -> dict[str, float | str | bool]:
    """How many seeds would see the smallest difference of interest; what these see."""
    if len(gaps) == 1:
        return {"seeds_needed": math.nan, "detectable_difference": math.nan}
    sd = float(np.std(gaps, ddof=1))
    if sd == 0:
        return {"seeds_needed": 2, "detectable_difference": 0.0}
    return {
        "seeds_needed": seeds_needed(sd, SMALLEST_OF_INTEREST),
        "detectable_difference": detectable_difference(sd, len(gaps)),
    }


def _with_holm(table: pd.DataFrame) -> pd.DataFrame:
    """Add ``p_holm``: corrected over the variants that could be tested."""
    if "p" not in table or table["p"].notna().sum() == 0:
        return table.assign(p_holm=math.nan)
    tested = table["p"].notna()
    corrected = np.full(len(table), math.nan)
    corrected[tested.to_numpy()] = holm(table.loc[tested, "p"].to_numpy())
    return table.assign(p_holm=corrected)
