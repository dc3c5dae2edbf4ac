"""The sentence of each verdict, for readers.

The words are those of `icl_mlflow.analysis.ablation.decision.Kind`; what each means,
and which test stands
behind it, is in `docs/verdicts.md`.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from icl_mlflow.analysis.ablation.decision import (
    FEWEST_PAIRS,
    SIGNIFICANCE,
    SMALLEST_OF_INTEREST,
    Kind,
)
from icl_mlflow.analysis.sentences import seeds_phrase
from icl_mlflow.statistics import Interval

_Row = Mapping[Any, Any]

#: Above this an ideal learner of the training is told apart from exact Bayes.
_WORTH_TELLING = 0.0005
#: Values that agree so far are enough for "unaffected".
_FEWEST_EQUIVALENT = 5


def with_verdicts(table: pd.DataFrame) -> pd.DataFrame:
    """The ablation table, of `ablation.measure`, with the column ``sentence``.

    The baseline's verdict is ``reference``, unless it guesses.
    """
    if table.empty:
        return table
    rows = table.to_dict("records")
    kinds = [_kind_of(row) for row in rows]
    sentences = [sentence(kind, row) for kind, row in zip(kinds, rows, strict=True)]
    return table.assign(verdict=[str(kind) for kind in kinds], sentence=sentences)


def _kind_of(row: _Row) -> Kind:
    if not row["is_baseline"]:
        return Kind(row["verdict"])
    return Kind.REFERENCE if row["took_off"] else Kind.UNDECIDED


def sentence(kind: Kind, row: _Row) -> str:
    """The sentence of a verdict: the word, and what stands behind it."""
    found = f"{kind}: {_SENTENCES[kind](row)}{_reservations(kind, row)}"
    failed = int(row["n_planned"] - row["n_seeds"])
    if failed:
        found += f"; {failed} of {int(row['n_planned'])} seeds failed"
    return found


def _reference(row: _Row) -> str:
    return f"excess risk {_phrase(row, 'excess_risk')}, {_share(row)}"


def _cannot(row: _Row) -> str:
    reason = (
        f"an ideal learner of this training is no better than guessing "
        f"({row['ideal_why']})"
    )
    if row["took_off"]:
        reason += (
            f"; {_count(row)} seeds seem to have taken off, which chance alone explains"
        )
    return reason


def _impossible(row: _Row) -> str:
    return (
        f"{_count(row)} seeds took off, where an ideal learner of this training is no "
        f"better than guessing ({row['ideal_why']}); look for a leak"
    )


def _plateau(row: _Row) -> str:
    return (
        f"{_count(row)} seeds took off in {int(row['n_epochs'])} epochs, "
        f"{_baseline_count(row)} of the baseline ({_p(row, 'p_take_off')}); "
        f"{_ceilings(row)}; whether these weights could use it, or only need longer, "
        f"this does not tell"
    )


def _moved(row: _Row) -> str:
    """The sentence of a variant that is hurt or helped."""
    if row["p_take_off"] <= SIGNIFICANCE:
        less = row["took_off"] / row["n_seeds"] < (
            row["baseline_took_off"] / row["baseline_seeds"]
        )
        return (
            f"takes off {'less' if less else 'more'} often, {_count(row)} seeds "
            f"against {_baseline_count(row)} of the baseline "
            f"({_p(row, 'p_take_off')})"
        )
    return (
        f"by {abs(row['gap']):.4f} nats ({_spread(row, 'gap')}; "
        f"{_p(row, 'p_difference')} that it is within {SMALLEST_OF_INTEREST})"
    )


def _unaffected(row: _Row) -> str:
    if row["p_zero"] <= SIGNIFICANCE:
        return (
            f"a difference of {row['gap']:+.4f} nats ({_spread(row, 'gap')}) is "
            f"certain, and negligible: it is within {SMALLEST_OF_INTEREST}"
        )
    return (
        f"{row['gap']:+.4f} nats ({_spread(row, 'gap')}), surely within "
        f"{SMALLEST_OF_INTEREST}"
    )


def _other_problem(row: _Row) -> str:
    return (
        f"other episodes with another Bayes predictor, so neither hurt nor helped: "
        f"log-loss {_phrase(row, 'loss')} where its ideal learner has "
        f"{row['ideal_loss']:.4f}, accuracy {_phrase(row, 'accuracy', '')} where that "
        f"has {row['ideal_accuracy']:.4f}; above its own ceiling by "
        f"{_phrase(row, 'own_excess')}, {row.get('difference', math.nan):+.4f} from "
        f"the baseline"
    )


def _undecided(row: _Row) -> str:
    if row["is_baseline"]:
        return f"the baseline itself never took off, {_share(row)}"
    if not row["baseline_seeds"]:
        return "no baseline finished"
    if not row["took_off"] or not row["baseline_took_off"]:
        return f"{_both_shares(row)} ({_p(row, 'p_take_off')}){_shares_effort(row)}"
    if row["n_gaps"] < FEWEST_PAIRS:
        return (
            f"{int(row['n_gaps'])} pairs of seeds that both took off tell nothing of a "
            f"difference, {FEWEST_PAIRS} are the fewest; {_both_shares(row)}"
        )
    return f"{row['gap']:+.4f} nats ({_spread(row, 'gap')}){_open_difference(row)}"


def _open_difference(row: _Row) -> str:
    """Why a difference that was measured decides nothing."""
    gaps = [float(gap) for gap in str(row["each_gap"]).split()]
    if max(map(abs, gaps)) >= SMALLEST_OF_INTEREST:
        certain = ""
        if row["p_zero"] <= SIGNIFICANCE:
            certain = "that there is one is certain, how large is not; "
        return f", {certain}{_p(row, 'p_difference')}{_effort(row)}"
    if len(gaps) < _FEWEST_EQUIVALENT:
        return (
            f", every seed within {SMALLEST_OF_INTEREST}, but {_FEWEST_EQUIVALENT} "
            f"that agree are the fewest to call it unaffected"
        )
    return f", but {_both_shares(row)}{_shares_effort(row)}"


def _shares_effort(row: _Row) -> str:
    if row["took_off"] == row["n_seeds"]:
        return ""
    if math.isnan(row["seeds_to_tell"]):
        return "; were these the true shares, even 64 seeds would not tell"
    return (
        f"; were these the true shares, about {int(row['seeds_to_tell'])} seeds each "
        f"would tell"
    )


def _effort(row: _Row) -> str:
    if math.isnan(row["seeds_needed_low"]):
        return ""
    low, high = int(row["seeds_needed_low"]), int(row["seeds_needed_high"])
    apart = f"differences {SMALLEST_OF_INTEREST} apart"
    return f"; to tell {apart} takes {low} to {high} seeds"


_SENTENCES: Mapping[Kind, Callable[[_Row], str]] = {
    Kind.REFERENCE: _reference,
    Kind.IMPOSSIBLE: _impossible,
    Kind.CANNOT: _cannot,
    Kind.PLATEAU: _plateau,
    Kind.HURT: _moved,
    Kind.HELPED: _moved,
    Kind.UNAFFECTED: _unaffected,
    Kind.OTHER_PROBLEM: _other_problem,
    Kind.UNDECIDED: _undecided,
}


def _reservations(kind: Kind, row: _Row) -> str:
    """What a reader must know about the runs behind it."""
    found = ""
    if kind in {Kind.HURT, Kind.HELPED, Kind.UNAFFECTED, Kind.OTHER_PROBLEM}:
        stuck = row["n_seeds"] - row["took_off"]
        base_stuck = row["baseline_seeds"] - row["baseline_took_off"]
        if (stuck or base_stuck) and not row["p_take_off"] <= SIGNIFICANCE:
            found += f"; {_both_shares(row)}"
    beyond = row["excess_risk"] - row["own_excess"]
    if kind not in {Kind.CANNOT, Kind.IMPOSSIBLE} and beyond > _WORTH_TELLING:
        found += (
            f"; of its {row['excess_risk']:.4f} nats above exact Bayes, {beyond:.4f} "
            f"are beyond an ideal learner of this training"
        )
    if kind in {Kind.HURT, Kind.HELPED} and row["ideal_kind"] == "unknown":
        found += "; its own ceiling is unknown, so information it lacks is part of this"
    if row["still_falling"]:
        found += (
            f"; {int(row['still_falling'])} of {int(row['n_seeds'])} curves were still "
            f"falling at the end, by {row['fall']:.0%} over the last epochs: more "
            f"epochs may change this"
        )
    return found


def _ceilings(row: _Row) -> str:
    if row["ideal_kind"] == "unknown":
        return f"how much of it is unknown: {row['ideal_why']}"
    shown = f"the information shown allows {row['shown_accuracy']:.3f} accuracy"
    return f"{shown}, an ideal learner of this training has {row['ideal_accuracy']:.3f}"


def _share(row: _Row) -> str:
    ends = f"[{row['share_low']:.2f}, {row['share_high']:.2f}]"
    return f"{_count(row)} seeds took off {ends}"


def _count(row: _Row) -> str:
    return f"{int(row['took_off'])} of {int(row['n_seeds'])}"


def _baseline_count(row: _Row) -> str:
    return f"{int(row['baseline_took_off'])} of {int(row['baseline_seeds'])}"


def _both_shares(row: _Row) -> str:
    return f"{_count(row)} seeds took off, {_baseline_count(row)} of the baseline"


def _p(row: _Row, name: str) -> str:
    family = {"p_take_off": "n_take_off", "p_difference": "n_difference"}[name]
    n_tests = int(row[family])
    correction = f" after Holm over {n_tests}" if n_tests > 1 else ""
    return f"p = {row[name]:.2g}{correction}"


def _phrase(row: _Row, name: str, unit: str = " nats") -> str:
    return f"{row[name]:.4f}{unit} ({_spread(row, name)})"


def _spread(row: _Row, name: str) -> str:
    n = int(row["n_gaps"] if name == "gap" else row["n_seeds"])
    ends = (row[f"{name}_low"], row[f"{name}_high"])
    return seeds_phrase(Interval(row[name], *ends, n))
