"""The decision rule: from the numbers of a suite to one word for each variant.

A variant is judged on two things against the baseline, each of them a Holm family over
the variants (`docs/verdicts.md`):

    does it take off as often?          Fisher's exact test of the two shares
    where both take off, what differs?  paired t-test against `SMALLEST_OF_INTEREST`

A variant is ``unaffected`` where two exact sign tests bound the median difference and
it takes off no less often. Suites with any false ``hurt`` or ``helped``, and those with
any false ``plateau``, are no more than `SIGNIFICANCE`, also where seeds start late or
stay stuck: ``python -m benchmarks.verdicts`` measures it.
"""

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import bdtrc, stdtr

from icl_mlflow.statistics import fisher_test, holm, is_equivalent
from icl_mlflow.statistics.multiplicity import family_size

#: Differences within this many nats of 0 count as none.
SMALLEST_OF_INTEREST = 0.01

#: The chance of any false call among all variants.
SIGNIFICANCE = 0.05

#: Two pairs that happen to agree look as certain as anything.
FEWEST_PAIRS = 3

#: How often a run that only guesses seems to take off, at most.
_FALSE_TAKE_OFF = 0.05


class Kind(enum.StrEnum):
    """The words for a variant; `docs/verdicts.md` says what each means."""

    REFERENCE = "reference"
    IMPOSSIBLE = "impossible"
    CANNOT = "cannot"
    PLATEAU = "plateau"
    HURT = "hurt"
    HELPED = "helped"
    UNAFFECTED = "unaffected"
    OTHER_PROBLEM = "other problem"
    UNDECIDED = "undecided"


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known of one variant and the baseline.

    Attributes:
        took_off: seeds that left chance, of ``n_seeds``.
        n_seeds: seeds that finished.
        baseline_took_off: the same of the baseline, of ``baseline_seeds``.
        baseline_seeds: the baseline's that finished.
        gaps: excess risk over the variant's own ceiling, minus the baseline's over
            its own, nats; one a seed with which both took off.
        is_chance: guessing is the best that this training can teach, proven.
        same_problem: both are asked about the same problem, so that they compare.
    """

    took_off: int
    n_seeds: int
    baseline_took_off: int
    baseline_seeds: int
    gaps: Sequence[float]
    is_chance: bool = False
    same_problem: bool = True


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The word for one variant and the tests behind it.

    Attributes:
        kind: the word.
        p_take_off: of equal shares, after Holm; NaN where not tested.
        p_difference: of a difference within `SMALLEST_OF_INTEREST`, after Holm.
        p_zero: of no difference at all, after Holm.
        n_take_off: take-off tests of the suite that could have shown anything.
        n_difference: differences that were tested.
        spread: the standard deviation that the t-test took; NaN where not tested.
    """

    kind: Kind
    p_take_off: float = math.nan
    p_difference: float = math.nan
    p_zero: float = math.nan
    n_take_off: int = 0
    n_difference: int = 0
    spread: float = math.nan


def decide(evidence: Sequence[Evidence]) -> list[Decision]:
    """The word for every variant of a suite, the baseline not among them."""
    spreads = _spreads(evidence)
    fisher = {
        index: fisher_test(
            one.took_off, one.n_seeds, one.baseline_took_off, one.baseline_seeds
        )
        for index, one in enumerate(evidence)
        if one.baseline_seeds and not one.is_chance
    }
    take_off = _adjusted(
        {index: test.p for index, test in fisher.items()},
        [test.smallest for test in fisher.values()],
    )
    compared = [i for i, spread in enumerate(spreads) if not math.isnan(spread)]
    beyond = {
        i: _p_beyond(evidence[i].gaps, spreads[i], SMALLEST_OF_INTEREST)
        for i in compared
    }
    difference = _adjusted(beyond)
    zero = _adjusted({i: _p_zero(evidence[i].gaps) for i in compared})
    n_take_off = family_size([test.smallest for test in fisher.values()] or [1.0])
    return [
        Decision(
            kind=_kind(one, take_off.get(i, 1.0), difference.get(i, 1.0)),
            p_take_off=take_off.get(i, math.nan),
            p_difference=difference.get(i, math.nan),
            p_zero=zero.get(i, math.nan),
            n_take_off=n_take_off,
            n_difference=len(compared),
            spread=spreads[i],
        )
        for i, one in enumerate(evidence)
    ]


def _adjusted(
    p_values: dict[int, float], smallest: Sequence[float] | None = None
) -> dict[int, float]:
    """The p-values by the same keys, after Holm's correction."""
    if not p_values:
        return {}
    adjusted = holm(list(p_values.values()), smallest, SIGNIFICANCE)
    return dict(zip(p_values, adjusted, strict=True))


def _spreads(evidence: Sequence[Evidence]) -> list[float]:
    """The standard deviations of the differences, none below the suite's median.

    A few pairs can agree by chance, above all where seeds are of two kinds; then their
    own spread says nothing. That of the other variants does.
    """
    own = [
        float(np.std(one.gaps, ddof=1)) if _is_compared(one) else math.nan
        for one in evidence
    ]
    known = [spread for spread in own if not math.isnan(spread)]
    middle = float(np.median(known)) if known else math.nan
    return [spread if math.isnan(spread) else max(spread, middle) for spread in own]


def _is_compared(one: Evidence) -> bool:
    return one.same_problem and not one.is_chance and len(one.gaps) >= FEWEST_PAIRS


def _p_beyond(gaps: Sequence[float], spread: float, margin: float) -> float:
    """Two-sided p-value of a mean difference within ``margin`` of 0."""
    n = len(gaps)
    beyond = abs(float(np.mean(gaps))) - margin
    if beyond <= 0:
        return 1.0
    if spread == 0:
        return 0.0
    return min(1.0, 2 * float(stdtr(n - 1, -beyond / spread * math.sqrt(n))))


def _p_zero(gaps: Sequence[float]) -> float:
    return _p_beyond(gaps, float(np.std(gaps, ddof=1)), 0.0)


def _kind(one: Evidence, p_take_off: float, p_difference: float) -> Kind:
    if one.is_chance:
        is_by_chance = _false_take_offs(one.took_off, one.n_seeds) > SIGNIFICANCE
        return Kind.CANNOT if is_by_chance else Kind.IMPOSSIBLE
    takes_off_less = _share(one.took_off, one.n_seeds) < _share(
        one.baseline_took_off, one.baseline_seeds
    )
    if p_take_off <= SIGNIFICANCE:
        if takes_off_less:
            return Kind.HURT if one.took_off else Kind.PLATEAU
        return Kind.HELPED
    if not one.same_problem:
        return Kind.OTHER_PROBLEM if one.took_off else Kind.UNDECIDED
    if p_difference <= SIGNIFICANCE:
        return Kind.HURT if np.mean(one.gaps) > 0 else Kind.HELPED
    is_near = bool(one.gaps) and is_equivalent(one.gaps, SMALLEST_OF_INTEREST)
    return Kind.UNAFFECTED if is_near and not takes_off_less else Kind.UNDECIDED


def _false_take_offs(count: int, n: int) -> float:
    """The chance of so many apparent take-offs, or more, among runs that guess."""
    return float(bdtrc(count - 1, n, _FALSE_TAKE_OFF)) if count else 1.0


def _share(count: int, n: int) -> float:
    return count / n if n else math.nan
