"""The answer of all measured models together to one question.

Models that differ in their seed alone are a group: they share numbers, each with the
range of its seeds, and a verdict. A suite of variants has a group for each, and one
figure for all.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure

from icl_mlflow.analysis.base import Analysis, Topic
from icl_mlflow.analysis.findings import Findings, sentence
from icl_mlflow.statistics import Interval, order_interval

#: An analysis of a single model may bring intervals of its own, over episodes.
_ENDS = ("/low", "/high")


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What one model answered.

    Attributes:
        model: its name.
        group: what it shares with the models that differ in their seed alone.
        frame: from the analysis's ``measure``.
        numbers: from its ``summarise``.
        episodes: that they rest on.
        guesses: it answers no better than guessing.
    """

    model: str
    group: str
    frame: pd.DataFrame
    numbers: Mapping[str, float]
    episodes: int = 0
    guesses: bool = False


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The answer of one group of models to one question.

    Attributes:
        analysis: its name.
        group: of the models; empty where there is but one.
        question: for readers.
        topic: of the question.
        verdict: the sentence that answers it.
        numbers: the mean over models of every number, with its interval.
        headline: the name of the one that says most; empty if there is none.
        frame: the tables of all models, told apart by the column ``model``.
        draw: that table to its figure.
        headlines: the headline of every model.
        beside: the tables of several groups to the figure of them all.
        episodes: that each model was asked about.
    """

    analysis: str
    group: str
    question: str
    verdict: str
    numbers: Mapping[str, Interval]
    headline: str
    frame: pd.DataFrame
    draw: Callable[[pd.DataFrame], Figure]
    headlines: Sequence[float] = ()
    beside: Callable[[pd.DataFrame], Figure] | None = None
    episodes: int = 0
    topic: Topic = Topic.FURTHER

    @property
    def figure(self) -> Figure:
        """The figure, drawn anew each time."""
        return self.draw(self.frame)

    @property
    def metric(self) -> dict[str, float]:
        """The headline by its tracked name, ``llr_regression/bayes_pearson``."""
        if not self.headline:
            return {}
        return {f"{self.analysis}/{self.headline}": self.numbers[self.headline].mean}

    @property
    def metrics(self) -> dict[str, float]:
        """By tracked name, such as ``llr_regression/bayes_slope`` and ``.../low``."""
        found: dict[str, float] = {}
        for name, interval in self.numbers.items():
            key = "/".join(filter(None, (self.group, self.analysis, name)))
            found[key] = interval.mean
            if math.isfinite(interval.low) and math.isfinite(interval.high):
                found |= {f"{key}/low": interval.low, f"{key}/high": interval.high}
        return found

    @property
    def file_name(self) -> str:
        """The name of its figure's file, without an ending."""
        return "-".join(filter(None, (self.analysis, self.group)))


def answers(
    name: str,
    analysis: Analysis,
    measured: Sequence[Measurement],
    *,
    of_suite: bool = False,
) -> list[Answer]:
    """One answer for every group of models, in the order of the models.

    Args:
        name: of the analysis.
        analysis: that was put to them.
        measured: what each answered.
        of_suite: they are of a suite, some groups of which may not have been asked.
    """
    groups = list(dict.fromkeys(one.group for one in measured))
    found = []
    for group in groups:
        members = [one for one in measured if one.group == group]
        frame = joined(members)
        numbers = over_models([one.numbers for one in members]) | analysis.pool(frame)
        headline = analysis.headline or next(iter(numbers), "")
        findings = Findings(
            numbers=numbers,
            frame=frame,
            episodes=members[0].episodes,
            guesses=all(one.guesses for one in members),
        )
        found.append(
            Answer(
                analysis=name,
                group=group if len(groups) > 1 or of_suite else "",
                question=analysis.question,
                topic=analysis.topic,
                verdict=sentence(findings, analysis.verdict(findings)),
                numbers=numbers,
                headline=headline,
                frame=frame,
                draw=analysis.draw,
                headlines=[
                    one.numbers[headline] for one in members if headline in one.numbers
                ],
                beside=analysis.beside,
                episodes=members[0].episodes,
            )
        )
    return found


def joined(measured: Sequence[Measurement]) -> pd.DataFrame:
    """One table of all models, with the column ``model`` in front."""
    frames = []
    for one in measured:
        frame = one.frame.copy()
        frame.insert(0, "model", one.model)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def over_models(numbers: Sequence[Mapping[str, float]]) -> dict[str, Interval]:
    """Mean of every number over models, and the ends of `order_interval`.

    A single model keeps the interval that its analysis gave, if it gave one; of several
    they are the lowest and the highest model or, from six on, where the median lies. A
    number that is not finite somewhere has no mean: NaN, never the mean of the rest.

    >>> several = over_models([{"slope": 0.9}, {"slope": 1.1}])
    >>> round(several["slope"].mean, 6), several["slope"].n
    (1.0, 2)
    >>> over_models([{"slope": 0.9, "slope/low": 0.8, "slope/high": 1.0}])["slope"]
    Interval(mean=0.9, low=0.8, high=1.0, n=1)
    """
    names = dict.fromkeys(name for each in numbers for name in each)
    return {
        name: _over_models(name, [each for each in numbers if name in each])
        for name in names
        if not name.endswith(_ENDS)
    }


def interval_over(values: Sequence[float]) -> Interval:
    """Mean and order statistics; all NaN where a value is not finite.

    >>> interval_over([1.0, float("nan")]).mean
    nan
    """
    if not all(math.isfinite(value) for value in values):
        return Interval(math.nan, math.nan, math.nan, len(values))
    return order_interval(values)


def _over_models(name: str, numbers: Sequence[Mapping[str, float]]) -> Interval:
    if len(numbers) > 1:
        return interval_over([each[name] for each in numbers])
    (only,) = numbers
    low, high = (only.get(f"{name}{end}", math.nan) for end in _ENDS)
    return Interval(only[name], low, high, 1)
