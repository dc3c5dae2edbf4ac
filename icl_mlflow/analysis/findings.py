"""Findings: the numbers of models, and the conclusion that they allow in a sentence."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from icl_mlflow.analysis.sentences import seeds_phrase
from icl_mlflow.statistics import Interval


@dataclass(frozen=True)
class Conclusion:
    """The answer to a question: yes, no, or that it cannot be told; and the numbers.

    Attributes:
        answer: True, False, or None where it cannot be told.
        numbers: what was found, in a clause that begins in lower case and ends without
            a full stop.
    """

    answer: bool | None
    numbers: str


@dataclass(frozen=True, kw_only=True)
class Findings:
    """The numbers of one group of models, and what they rest on.

    Attributes:
        numbers: by name: of a single model with the interval over its episodes, of
            several the mean with the ends of `order_interval` over models.
        frame: the tables of all models, told apart by the column ``model``.
        episodes: behind each model's numbers.
        guesses: no model answers better than guessing: untrained, or stuck.
    """

    numbers: Mapping[str, Interval]
    frame: pd.DataFrame
    episodes: int
    guesses: bool = False

    def __getitem__(self, name: str) -> float:
        """The number's value."""
        return self.numbers[name].mean

    def __contains__(self, name: str) -> bool:
        return name in self.numbers

    def phrase(
        self, name: str, unit: str = "", digits: int = 4, *, over: str = ""
    ) -> str:
        """The number for readers, with its interval and what that rests on.

        ``0.0125 nats (95 %: 0.0103 to 0.0151, 5,000 episodes)``, or of several models
        ``0.0190 nats (3 seeds: 0.0103 to 0.0341)``. Of a single model it rests on the
        episodes, or on what ``over`` says, such as ``over 8 heads``.
        """
        found = self.numbers[name]
        if math.isnan(found.mean):
            return "undefined"
        value = f"{found.mean:.{digits}f}{unit and f' {unit}'}"
        if math.isnan(found.low) or math.isnan(found.high):
            return value
        if found.n > 1:
            return f"{value} ({seeds_phrase(found, digits)})"
        ends = f"95 %: {found.low:.{digits}f} to {found.high:.{digits}f}"
        return f"{value} ({ends}, {over or f'{self.episodes:,} episodes'})"

    def below(self, name: str, bar: float) -> bool | None:
        """Whether the whole interval is below ``bar``; None if the bar is inside it."""
        found = self.numbers[name]
        ends = [found.low, found.high]
        if any(map(math.isnan, ends)):
            return None
        if max(ends) < bar:
            return True
        return False if min(ends) >= bar else None

    def at_least(self, name: str, bar: float) -> bool | None:
        """Whether the whole interval is ``bar`` or more; None if the bar is inside."""
        below = self.below(name, bar)
        return None if below is None else not below


def sentence(findings: Findings, conclusion: Conclusion) -> str:
    """The conclusion for readers: yes, no, or cannot be told; then the numbers."""
    if findings.guesses:
        return (
            "Cannot be told: no better than guessing, so untrained or stuck on the "
            f"plateau; {conclusion.numbers}."
        )
    words = {True: "Yes", False: "No", None: "Cannot be told"}
    return f"{words[conclusion.answer]}: {conclusion.numbers}."


def all_of(*answers: bool | None) -> bool | None:
    """The answers joined: yes if all are, no if one is not, else it cannot be told.

    >>> all_of(True, None), all_of(None, False), all_of(True, True)
    (None, False, True)
    """
    if False in answers:
        return False
    return None if None in answers else True
