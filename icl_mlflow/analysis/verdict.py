"""What may be said of a variant? One word for machines, one sentence for readers."""

import enum
import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from icl_mlflow.analysis.ablation import LEVEL, SMALLEST_OF_INTEREST


class Kind(enum.StrEnum):
    """The verdicts, from the strongest reason to say nothing to the plainest."""

    REFERENCE = "reference"
    IMPOSSIBLE = "impossible"
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

    A ceiling at chance is not the model's doing, and beating it is a mistake of the
    experiment; a model that never left chance has shown nothing about its ceiling; only
    then does the difference from the baseline speak. "Unaffected" says that the two are
    equivalent: the whole interval lies within `SMALLEST_OF_INTEREST` of 0.
    """
    kind, sentence = _found(row)
    failed = row["n_planned"] - row["n_seeds"]
    if failed:
        sentence += f"; {failed} of {row['n_planned']} seeds failed"
    return Verdict(kind, f"{kind}{sentence}")


def _found(row: dict[Any, Any]) -> tuple[Kind, str]:
    """The kind, and how its sentence goes on."""
    if row["ceiling_is_chance"]:
        return _at_chance(row)
    if row["took_off"] == 0:
        return Kind.PLATEAU, f": never took off in {row['n_epochs']} epochs{_top(row)}"
    if row["is_baseline"]:
        return Kind.REFERENCE, f": excess risk {row['excess_risk']:.4f} nats"
    if math.isnan(row.get("difference", math.nan)):
        return Kind.UNDECIDED, ": no baseline of the same seed finished"
    if row["baseline_took_off"] == 0:
        return Kind.UNDECIDED, ": the baseline never took off"
    kind, sentence = _compared(row)
    return kind, sentence + _reservations(row)


def _at_chance(row: dict[Any, Any]) -> tuple[Kind, str]:
    if not row["took_off"]:
        return Kind.CANNOT, f": ceiling is chance ({row['ceiling_why']})"
    beaten = f"beat a ceiling of chance in {row['took_off']} of {row['n_seeds']} seeds"
    return Kind.IMPOSSIBLE, f": {beaten}; look for a leak"


def _top(row: dict[Any, Any]) -> str:
    """The ceiling of a variant that never reached it."""
    if math.isnan(row["ceiling_accuracy"]):
        return f"; ceiling unknown ({row['ceiling_why']})"
    accuracy = f"{row['ceiling_accuracy']:.3f} accuracy"
    return f" though the ceiling is {accuracy} ({row['ceiling_why']})"


def _compared(row: dict[Any, Any]) -> tuple[Kind, str]:
    difference, low, high = (row[f"difference{end}"] for end in ("", "_low", "_high"))
    if math.isnan(row["p_holm"]):
        return Kind.UNDECIDED, f": {difference:+.4f} nats, but one seed cannot tell"
    interval = f"[{low:.4f}, {high:.4f}]"
    if row["p_holm"] <= LEVEL:
        kind = Kind.HURT if difference > 0 else Kind.HELPED
        return kind, f" by {abs(difference):.4f} nats {interval}"
    if max(-low, high) <= SMALLEST_OF_INTEREST:
        return Kind.UNAFFECTED, f": {difference:+.4f} nats {interval}"
    tested = row["n_tested"]
    family = "1 variant" if tested == 1 else f"{tested} variants"
    chance = f"p = {row['p_holm']:.2g} after Holm over {family}"
    effort = f"{SMALLEST_OF_INTEREST} nats takes {row['seeds_needed']:.0f} seeds"
    measured = f": {difference:+.4f} nats {interval}, {chance}; to see {effort}"
    return Kind.UNDECIDED, measured


def _reservations(row: dict[Any, Any]) -> str:
    """What a reader of the difference must know about the runs behind it."""
    found = "" if row["same_episodes"] else " (on episodes of its own)"
    late, n_seeds = row["n_seeds"] - row["took_off"], row["n_seeds"]
    if late:
        found += f"; {late} of {n_seeds} seeds never took off"
    n_pairs = int(row["n_pairs"])
    base_late = n_pairs - int(row["baseline_took_off"])
    if base_late:
        found += f"; {base_late} of {n_pairs} baseline seeds never took off"
    return found
