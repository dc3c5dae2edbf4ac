"""Is a number of the paper reproduced? The rule, and why not in words.

*Reproduced*: the paper's mean lies inside our interval over seeds (`order_interval`)
and within .01 of our mean. Otherwise it *differs*, for reasons that the numbers give.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from icl_mlflow.analysis.sentences import seeds_phrase
from icl_mlflow.reproduction.paper import PublishedAccuracy
from icl_mlflow.statistics import Interval, order_interval

#: How far our mean may be from the paper's.
NEAR = 0.01
_CHANCE = 0.5
_TWO_SIDED = 1.96
#: A take-off in the later half of a training is late.
_LATE = 0.5


class Kind(StrEnum):
    """What is said of a row."""

    REPRODUCED = "reproduced"
    DIFFERS = "differs"
    UNDECIDED = "undecided"
    MISSING = "missing"
    BESIDE = "shown beside"


@dataclass(frozen=True)
class Judgement:
    """The word, and the sentence behind it."""

    kind: Kind
    why: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.why}"


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What our seeds reached.

    Attributes:
        accuracies: of the seeds.
        started: the epoch, from 0, in which each took off; None if it never did.
        n_epochs: of every training.
        n_episodes: that the accuracies are shares of.
    """

    accuracies: Sequence[float]
    started: Sequence[int | None]
    n_epochs: int
    n_episodes: int

    @property
    def chance_reach(self) -> float:
        """How far from .5 guessing is found, by 1.96 standard errors."""
        return _TWO_SIDED * math.sqrt(_CHANCE * (1 - _CHANCE) / self.n_episodes)


def judge(published: PublishedAccuracy, found: Evidence) -> Judgement:
    """Compare one number with the paper's.

    >>> paper = PublishedAccuracy("task_A_regular", 0.7833, 0.0033)
    >>> seeds = dict(started=[6, 6, 7], n_epochs=20, n_episodes=5_000)
    >>> str(judge(paper, Evidence(accuracies=[0.78, 0.782, 0.785], **seeds)))
    'reproduced: 0.0010 below the paper, whose mean our 3 seeds (0.7800 to 0.7850) enclose'
    """  # noqa: E501 (what it says is one line)
    ours = order_interval(list(found.accuracies))
    gap = _gap(ours.mean - published.mean)
    if math.isnan(ours.low):
        return Judgement(Kind.UNDECIDED, f"{gap}; one seed has no interval")
    encloses = ours.low <= published.mean <= ours.high
    is_near = abs(ours.mean - published.mean) <= NEAR
    if encloses and is_near:
        return Judgement(
            Kind.REPRODUCED, f"{gap}, whose mean our {_told(ours, 'enclose')}"
        )
    reasons = [f"{gap}{'' if is_near else f', more than {NEAR:g}'}"]
    if not encloses:
        reasons.append(
            f"our {_told(ours, 'exclude')} its mean, {_apart(published, ours)}"
        )
    return Judgement(Kind.DIFFERS, "; ".join([*reasons, _cause(published, found)]))


def _gap(difference: float) -> str:
    side = "above" if difference > 0 else "below"
    return f"{abs(difference):.4f} {side} the paper"


def _told(ours: Interval, verb: str) -> str:
    """``3 seeds (0.7800 to 0.7850) enclose``; of six or more it is their median."""
    seeds, _, ends = seeds_phrase(ours).partition(": ")
    singular = "s" if seeds.startswith("median") else ""
    return f"{seeds} ({ends}) {verb}{singular}"


def _apart(published: PublishedAccuracy, ours: Interval) -> str:
    if ours.low <= published.high and published.low <= ours.high:
        return "but reach into its interval"
    return "and its interval lies apart"


def _cause(published: PublishedAccuracy, found: Evidence) -> str:
    """What the learning curves and the number of episodes say of a difference."""
    reach = found.chance_reach
    guesses = all(abs(value - _CHANCE) <= reach for value in found.accuracies)
    if guesses and abs(published.mean - _CHANCE) <= reach:
        return (
            f"both guess: over {found.n_episodes:,} validation episodes, which our "
            f"seeds share, guessing is found within {reach:.3f} of 0.5"
        )
    started = sorted(epoch for epoch in found.started if epoch is not None)
    n_seeds = len(found.started)
    if not started:
        return "none of our seeds took off"
    if len(started) < n_seeds:
        return f"{len(started)} of our {n_seeds} seeds took off"
    if started[-1] >= _LATE * found.n_epochs:
        return (
            f"our seeds took off late, the last in epoch {started[-1] + 1} of "
            f"{found.n_epochs}"
        )
    return f"all our seeds took off, by epoch {started[-1] + 1} of {found.n_epochs}"
