"""What may be said of a variant? One word for machines, one sentence for readers."""

import enum
import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from icl_mlflow.analysis.ablation import SMALLEST_OF_INTEREST

_LEVEL = 0.05
_CHANCE = 0.5


class Kind(enum.StrEnum):
    """The verdicts, from the strongest reason to say nothing to the plainest."""

    REFERENCE = "reference"
    CANNOT = "cannot"
    PLATEAU = "plateau"
    HURT = "hurt"
    HELPED = "helped"
    UNAFFECTED = "unaffected"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Verdict:
    """A variant's verdict and its sentence."""

    kind: Kind
    sentence: str


def with_verdicts(table: pd.DataFrame) -> pd.DataFrame:
    """The ablation table with the columns ``verdict`` and ``sentence``."""
    found = [judge(row) for row in table.to_dict("records")]
    return table.assign(
        verdict=[str(verdict.kind) for verdict in found],
        sentence=[verdict.sentence for verdict in found],
    )


def judge(row: dict[Any, Any]) -> Verdict:
    """The verdict on one row of `icl_mlflow.analysis.ablation.measure`.

    A ceiling at chance is not the model's doing; a model that never left chance has
    shown nothing about its ceiling; only then does the difference from the baseline
    speak, and "unaffected" needs the power to have seen `SMALLEST_OF_INTEREST`.
    """
    risk = f"{row['excess_risk']:.4f} nats"
    if row["ceiling_kind"] == "exact" and row["ceiling_accuracy"] == _CHANCE:
        return Verdict(Kind.CANNOT, "cannot: ceiling is chance")
    if row["took_off"] == 0:
        return Verdict(
            Kind.PLATEAU,
            f"plateau: never took off in {row['n_epochs']} epochs though the ceiling "
            f"is {row['ceiling_accuracy']:.3f} accuracy",
        )
    if math.isnan(row.get("difference", math.nan)):
        return Verdict(Kind.REFERENCE, f"reference: excess risk {risk}")
    return _compared(row)


def _compared(row: dict[Any, Any]) -> Verdict:
    difference = row["difference"]
    interval = f"[{row['difference_low']:.4f}, {row['difference_high']:.4f}]"
    late = row["n_seeds"] - row["took_off"]
    stragglers = f"; {late} of {row['n_seeds']} seeds never took off" if late else ""
    if math.isnan(row["p_holm"]):
        return Verdict(
            Kind.UNDECIDED,
            f"undecided: {difference:+.4f} nats, but one seed cannot tell{stragglers}",
        )
    if row["p_holm"] <= _LEVEL:
        kind, word = (Kind.HURT, "hurt") if difference > 0 else (Kind.HELPED, "helped")
        size = abs(difference)
        return Verdict(kind, f"{word} by {size:.4f} nats {interval}{stragglers}")
    if row["detectable_difference"] <= SMALLEST_OF_INTEREST:
        return Verdict(
            Kind.UNAFFECTED, f"unaffected: {difference:+.4f} nats {interval}"
        )
    effort = f"{SMALLEST_OF_INTEREST} nats takes {row['seeds_needed']:.0f} seeds"
    return Verdict(
        Kind.UNDECIDED,
        f"undecided: {difference:+.4f} nats {interval}; to see {effort}{stragglers}",
    )
