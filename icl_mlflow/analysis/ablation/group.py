"""The runs of one variant, and what there is to say of them without a baseline."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from icl_mlflow.estimators.ceilings import Ceilings
from icl_mlflow.evaluation import accuracy, bayes_accuracy, log_loss
from icl_mlflow.statistics import Interval, binomial_interval, order_interval
from icl_mlflow.training.results import MemberResult

#: A row of the table of an ablation.
Row = dict[str, float | str | bool]


@dataclass(frozen=True, kw_only=True)
class Group:
    """The members of one variant by seed, and its ceilings."""

    name: str
    seeds: Mapping[int, MemberResult]
    ceilings: Ceilings

    @property
    def took_off(self) -> list[int]:
        """The seeds that took off."""
        return [seed for seed, m in self.seeds.items() if m.started is not None]


def alone(group: Group, n_planned: int | None) -> Row:
    """What there is to say of a variant without the baseline."""
    members = list(group.seeds.values())
    answers = [
        (torch.from_numpy(m.logit_B), torch.from_numpy(m.label_B)) for m in members
    ]
    risks = [float(m.risk_B.mean()) for m in members]
    own = {s: float(m.risk_over(group.ceilings).mean()) for s, m in group.seeds.items()}
    started = [m.started for m in members if m.started is not None]
    falls = [m.falling for m in members if m.started is not None and m.falling > 0]
    row: Row = {
        "variant": group.name,
        "n_seeds": len(members),
        "n_planned": len(members) if n_planned is None else n_planned,
        "seeds": " ".join(map(str, group.seeds)),
        "each_risk": " ".join(f"{risk:.4f}" for risk in risks),
        **columns("accuracy", order_interval([accuracy(*one) for one in answers])),
        **columns("loss", order_interval([log_loss(*one) for one in answers])),
        **columns("excess_risk", order_interval(risks)),
        **columns("own_excess", order_interval(list(own.values()))),
        "bayes_accuracy": bayes_accuracy(torch.from_numpy(members[0].bayes_B)),
        "n_epochs": len(members[0].history),
        "took_off": len(started),
        **columns("share", binomial_interval(len(started), len(members))),
        "take_off_epoch": float(np.median(started)) if started else math.nan,
        "still_falling": len(falls),
        "fall": float(np.median(falls)) if falls else 0.0,
    }
    if started:
        taken_off = order_interval([own[seed] for seed in group.took_off])
        row |= columns("own_excess_taken_off", taken_off)
    return row | _ceiling_columns(group.ceilings)


def _ceiling_columns(found: Ceilings) -> Row:
    row: Row = {}
    for name, ceiling in (("shown", found.shown), ("ideal", found.ideal)):
        row |= {
            f"{name}_accuracy": ceiling.accuracy,
            f"{name}_loss": ceiling.loss,
            f"{name}_kind": ceiling.kind,
            f"{name}_why": ceiling.why,
        }
    return row | {"ideal_is_chance": found.ideal.is_chance}


def columns(name: str, interval: Interval) -> Row:
    """A mean and the ends of its interval, as columns of a table."""
    return {
        name: interval.mean,
        f"{name}_low": interval.low,
        f"{name}_high": interval.high,
    }
