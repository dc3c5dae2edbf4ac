"""One self-contained HTML page of questions, answers, figures, tables and recipes.

Nothing is loaded from elsewhere and no script runs, so the page reads the same from a
disk, in an e-mail and in the sandboxed frame of MLflow's artifact viewer.
"""

import base64
import importlib.resources
import io
import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from jinja2 import Environment, StrictUndefined
from matplotlib.figure import Figure
from PIL import Image

from icl_mlflow.analysis.report.answer import Answer
from icl_mlflow.analysis.sentences import band_meaning
from icl_mlflow.statistics import Interval

#: Of figures: sharp where a screen has two dots a pixel.
_DOTS_PER_INCH = 150
#: Of a figure in a page: more cannot be told apart in it.
_COLOURS = 128
#: CSS's own size of an inch, in pixels.
_CSS_INCH = 96
#: On a narrow screen a figure scrolls rather than shrink below this share of its size,
#: unless even a wide screen had to scroll.
_NARROWEST = 0.7
_PAGE = 1_000
#: Longer lists of numbers are folded.
_MANY = 14
#: Longer tables are left to their CSV.
_SHORT = 60
#: Numbers beyond are written with a power of ten.
_LARGE, _SMALL = 1e4, 1e-4
_NOTHING, _MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"


@dataclass(frozen=True, kw_only=True)
class Section:
    """One question and its answer.

    Attributes:
        anchor: the section's identity within the page.
        question, verdict: in a sentence each.
        group: of the models; empty where there is but one.
        numbers: by name.
        png: the figure.
        width: of the figure, in CSS pixels.
        figure_file, table_file: without folder and ending; a table may be missing.
        table: behind the figure.
    """

    anchor: str
    question: str
    verdict: str
    group: str
    numbers: Mapping[str, Interval]
    png: bytes
    width: int
    figure_file: str
    table_file: str
    table: pd.DataFrame

    @property
    def narrowest(self) -> int:
        """The least width of the figure at which its labels can be read."""
        return min(_PAGE, round(_NARROWEST * self.width))

    @property
    def is_short(self) -> bool:
        """Whether the table fits on the page."""
        return bool(self.table_file) and len(self.table) <= _SHORT

    @property
    def interval_note(self) -> str:
        """What the intervals are over."""
        n_models = max((interval.n for interval in self.numbers.values()), default=0)
        if n_models > 1:
            return f"Mean over {n_models} models; interval: {band_meaning(n_models)}"
        return "One model; an interval, where there is one, is over episodes, at 95 %"


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

    @property
    def many(self) -> int:
        """From how many numbers on a list is folded."""
        return _MANY


def section(answer: Answer) -> Section:
    """The section of an answer; its figure is drawn here, once."""
    return Section(
        anchor=answer.file_name,
        question=answer.question,
        verdict=answer.verdict,
        group=answer.group,
        numbers=answer.numbers,
        png=png(answer.figure),
        width=css_width(answer.figure),
        figure_file=answer.file_name,
        table_file=answer.analysis,
        table=answer.frame,
    )


def png(figure: Figure) -> bytes:
    """A figure as a file; the same figure gives the same bytes.

    Of few colours, as drawings have, which takes a third of the bytes.
    """
    drawn, packed = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, dpi=_DOTS_PER_INCH, metadata={"Software": None})
    with Image.open(drawn) as image:
        few = image.convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE)
        few.save(packed, "PNG", optimize=True)
    return packed.getvalue()


def css_width(figure: Figure) -> int:
    """The width at which a figure's text has its nominal size, in CSS pixels."""
    return round(float(figure.get_size_inches()[0]) * _CSS_INCH)


def render(report: Report) -> str:
    """The page; every text in it is escaped."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {
        "cell_text": cell_text,
        "number_text": number_text,
        "ends": _ends,
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


def _ends(interval: Interval) -> str:
    if math.isnan(interval.low) or math.isnan(interval.high):
        return _NOTHING
    return f"{number_text(interval.low)} to {number_text(interval.high)}"


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _is_number(value: object) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _is_numeric(column: "pd.Series[float]") -> bool:
    return pd.api.types.is_numeric_dtype(column)
