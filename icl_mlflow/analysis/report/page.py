"""One self-contained HTML page of questions, answers, figures, tables and recipes.

Nothing is loaded from elsewhere and no script runs, so the page reads the same from a
disk, in an e-mail and in the sandboxed frame of MLflow's artifact viewer.
"""

import base64
import importlib.resources
import math
import numbers
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from jinja2 import Environment, StrictUndefined

from icl_mlflow.analysis.base import Topic
from icl_mlflow.analysis.report.section import Section
from icl_mlflow.statistics import Interval

#: Longer lists of numbers are folded.
_MANY = 14
#: Numbers beyond are written with a power of ten.
_LARGE, _SMALL = 1e4, 1e-4
_NOTHING, _MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"
#: How a verdict may open.
_OPENINGS = ("Yes", "No", "Cannot be told")


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """An analysis that could not be put to a model; to no model at all if empty."""

    analysis: str
    model: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Results:
    """Tables that come before all questions.

    Attributes:
        title: of their section.
        notes: how to read them, a paragraph each.
        tables: by caption.
        sentences: by what they are about.
        missing: what is not there yet, and how it comes.
    """

    title: str
    notes: Sequence[str]
    tables: Mapping[str, pd.DataFrame]
    sentences: Mapping[str, str]
    missing: Sequence[str]


@dataclass(frozen=True)
class Command:
    """How to repeat the analysis, and where that is typed."""

    where: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Source:
    """A run or model that the results come from."""

    what: str
    identity: str
    link: str = ""


@dataclass(frozen=True)
class Chapter:
    """The questions of one topic."""

    topic: Topic
    sections: Sequence[Section]

    @property
    def anchor(self) -> str:
        """Its identity within the page."""
        return f"topic-{self.topic.name.lower()}"

    @property
    def tally(self) -> str:
        """How many verdicts open how, such as ``3 yes, 1 cannot be told``."""
        found = Counter(
            opening(verdict)
            for section in self.sections
            for verdict in section.verdicts.values()
        )
        return ", ".join(
            f"{found[word]} {word.lower()}" for word in _OPENINGS if found[word]
        )


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything on the page.

    Attributes:
        kind: what sort of page it is, in two words.
        title, lead: the models, and the episodes in short.
        episodes: the episodes in full.
        models: one row a model.
        sections: one a question and group.
        refusals: what could not be asked.
        commands: how to repeat it.
        settings: by name.
        sources: where the models come from.
        made_with: versions by name.
        results: tables that come first, if any.
        by_topic: whether the sections come in chapters, by the topics of questions.
        left_out: what has not been asked because nobody named it.
    """

    kind: str
    title: str
    lead: str
    episodes: str
    models: pd.DataFrame
    sections: Sequence[Section]
    refusals: Sequence[Refusal]
    commands: Sequence[Command]
    settings: Mapping[str, object]
    sources: Sequence[Source]
    made_with: Mapping[str, str]
    results: Results | None = None
    by_topic: bool = False
    left_out: Sequence[str] = ()

    @property
    def chapters(self) -> list[Chapter]:
        """The sections by topic, in the order of topics; none where that is not asked.

        Within a topic they keep their order.
        """
        if not self.by_topic:
            return []
        by_topic = {
            topic: [one for one in self.sections if one.topic is topic]
            for topic in Topic
        }
        return [
            Chapter(topic, sections) for topic, sections in by_topic.items() if sections
        ]

    @property
    def many(self) -> int:
        """From how many numbers on a list is folded."""
        return _MANY


def render(report: Report) -> str:
    """The page; every text in it is escaped."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {
        "cell_text": cell_text,
        "number_text": number_text,
        "ends": _ends,
        "has_ends": _has_ends,
        "opening": opening,
        "base64": _base64,
    }
    environment.tests |= {"number_like": _is_number, "numeric": _is_numeric}
    source = importlib.resources.files(__package__) / "report.html.jinja"
    template = environment.from_string(source.read_text(encoding="utf-8"))
    return template.render(report=report)


def cell_text(value: object) -> str:
    """A value of a table for readers: at most four digits, a dash for nothing.

    >>> [cell_text(v) for v in (0.123456, 2.0, 20_000, float("nan"), None, "x")]
    ['0.1235', '2', '20000', '\u2013', '\u2013', 'x']
    """
    if value is None:
        return _NOTHING
    if not _is_number(value):
        return str(value)
    assert isinstance(value, numbers.Real)
    if isinstance(value, numbers.Integral):
        return str(int(value)).replace("-", _MINUS)
    return _four_digits(float(value), ".4g")


def number_text(value: float) -> str:
    """A measured number for readers: exactly four digits, a dash for NaN.

    >>> [number_text(v) for v in (0.2, -12.0, 3.2e-7, float("nan"))]
    ['0.2000', '\u221212.00', '3.200e\u22127', '\u2013']
    """
    return _four_digits(value, "#.4g")


def _four_digits(value: float, written: str) -> str:
    if math.isnan(value):
        return _NOTHING
    if value and not _SMALL <= abs(value) < _LARGE:
        digits, _, power = f"{value:.3e}".partition("e")
        return f"{digits}e{int(power)}".replace("-", _MINUS)
    return format(value, written).rstrip(".").replace("-", _MINUS)


def _has_ends(interval: Interval) -> bool:
    return not (math.isnan(interval.low) or math.isnan(interval.high))


def _ends(interval: Interval) -> str:
    if not _has_ends(interval):
        return _NOTHING
    return f"{number_text(interval.low)} to {number_text(interval.high)}"


def opening(verdict: str) -> str:
    """The word that a verdict opens with; all of it where none does.

    >>> opening("Cannot be told: no better than guessing."), opening("As it is.")
    ('Cannot be told', 'As it is.')
    """
    return verdict.partition(":")[0]


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _is_number(value: object) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _is_numeric(column: "pd.Series[float]") -> bool:
    return pd.api.types.is_numeric_dtype(column)
