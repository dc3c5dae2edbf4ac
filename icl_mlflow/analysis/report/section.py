"""A section of a report: one question, its answers, its figure and its numbers."""

import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from icl_mlflow.analysis.base import Topic
from icl_mlflow.analysis.caption import CaptionedFigure, caption
from icl_mlflow.analysis.report.answer import Answer
from icl_mlflow.analysis.sentences import band_meaning
from icl_mlflow.analysis.side_by_side import dots
from icl_mlflow.statistics import Interval

#: Of figures: sharp where a screen has two dots a pixel.
_DOTS_PER_INCH = 150
#: Of a figure, at most.
_PIXELS = 2.4e6
#: Of a figure in a page: more cannot be told apart in it.
_COLOURS = 128
#: CSS's own size of an inch, in pixels.
_CSS_INCH = 96
#: On a narrow screen a figure scrolls rather than shrink below this share of its size,
#: unless even a wide screen had to scroll.
_NARROWEST = 0.7
_PAGE = 1_000
#: Longer tables are left to their CSV.
_SHORT = 60


@dataclass(frozen=True, kw_only=True)
class Section:
    """One question and its answer.

    Attributes:
        anchor: the section's identity within the page.
        question: in a sentence.
        verdicts: group of models to the sentence that answers it; the group is empty
            where there is but one.
        numbers: by name; of several groups, the headline by group.
        headline: the name of the number that answers the question best, if any.
        headlines: group to that number.
        topic: of the question.
        png: the figure.
        width: of the figure, in CSS pixels.
        figure_file, table_file: without folder and ending; a table may be missing.
        table: behind the figure.
        caption: what the figure shows, of whom; may be missing.
    """

    anchor: str
    question: str
    verdicts: Mapping[str, str]
    numbers: Mapping[str, Interval]
    png: bytes
    width: int
    figure_file: str
    table_file: str
    table: pd.DataFrame
    headline: str = ""
    headlines: Mapping[str, Interval] = field(default_factory=dict)
    topic: Topic = Topic.FURTHER
    caption: str = ""

    @property
    def spoken(self) -> str:
        """The question and its answers, in place of the figure."""
        said = [
            f"{group}: {text}" if group else text
            for group, text in self.verdicts.items()
        ]
        return " ".join([self.question, *said])

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
        if any(self.verdicts):
            every = "tables/numbers.csv"
            ends = band_meaning(n_models) if n_models > 1 else "95 % over episodes"
            return f"{self.headline} by variant; interval: {ends}; all numbers: {every}"
        if n_models > 1:
            return f"Mean over {n_models} models; interval: {band_meaning(n_models)}"
        return "One model; an interval, where there is one, is over episodes, at 95 %"


def figure_section(
    anchor: str, question: str, verdicts: Mapping[str, str], shown: CaptionedFigure
) -> Section:
    """A section that is a figure and what it says: its numbers stand elsewhere.

    Args:
        anchor: within the page, and the name of the figure's file.
        question: in a sentence.
        verdicts: as `Section` has them.
        shown: the figure and its caption.
    """
    return Section(
        anchor=anchor,
        question=question,
        verdicts=verdicts,
        numbers={},
        png=png(shown.figure),
        width=css_width(shown.figure),
        figure_file=anchor,
        table_file="",
        table=pd.DataFrame(),
        caption=shown.caption,
    )


def section(answer: Answer) -> Section:
    """The section of an answer; its figure is drawn here, once."""
    return Section(
        anchor=answer.file_name,
        question=answer.question,
        topic=answer.topic,
        verdicts={answer.group: answer.verdict},
        numbers=answer.numbers,
        headline=answer.headline,
        headlines=_headlines([answer]),
        png=png(answer.figure),
        width=css_width(answer.figure),
        figure_file=answer.file_name,
        table_file=answer.analysis,
        table=answer.frame,
        caption=caption(answer.draw, _models(answer.frame), answer.episodes),
    )


def sections_of(found: Sequence[Answer]) -> list[Section]:
    """A section a question: the groups of a suite share one, and its figure."""
    by_question: dict[str, list[Answer]] = {}
    for answer in found:
        by_question.setdefault(answer.analysis, []).append(answer)
    return [
        _suite_section(each) if each[0].group else section(each[0])
        for each in by_question.values()
    ]


def _suite_section(each: Sequence[Answer]) -> Section:
    """One question to several groups of models, side by side."""
    first = each[0]
    frame = pd.concat([answer.frame for answer in each], ignore_index=True)
    figure = _beside(each, frame)
    return Section(
        anchor=first.analysis,
        question=first.question,
        topic=first.topic,
        verdicts={answer.group: answer.verdict for answer in each},
        numbers=_headlines(each),
        headline=first.headline,
        headlines=_headlines(each),
        png=png(figure),
        width=css_width(figure),
        figure_file=first.analysis,
        table_file=first.analysis,
        table=frame,
        caption=caption(first.beside or dots, _models(frame), first.episodes),
    )


def _headlines(each: Sequence[Answer]) -> dict[str, Interval]:
    return {
        answer.group: answer.numbers[answer.headline]
        for answer in each
        if answer.headline in answer.numbers
    }


def _models(frame: pd.DataFrame) -> list[str]:
    return [str(name) for name in frame["model"].unique()]


def _beside(each: Sequence[Answer], frame: pd.DataFrame) -> Figure:
    first = each[0]
    headlines = {answer.group: answer.headlines for answer in each}
    return suite_figure(first.beside, frame, first.headline, headlines)


def suite_figure(
    beside: Callable[[pd.DataFrame], Figure] | None,
    frame: pd.DataFrame,
    headline: str,
    headlines: Mapping[str, Sequence[float]],
) -> Figure:
    """The figure of all groups of a suite: the analysis's own, or its headline's.

    Args:
        beside: of the analysis.
        frame: of all models.
        headline: the number that answers the question best.
        headlines: group of models to that number of each.
    """
    return dots({headline: headlines}) if beside is None else beside(frame)


def png(figure: Figure) -> bytes:
    """A figure as a file; the same figure gives the same bytes.

    Of few colours, as drawings have, which takes a third of the bytes; and of so many
    pixels at most, since a suite of many variants has many panels.
    """
    drawn, packed = io.BytesIO(), io.BytesIO()
    width, height = (float(inches) for inches in figure.get_size_inches())
    dots_per_inch = min(_DOTS_PER_INCH, math.sqrt(_PIXELS / (width * height)))
    figure.savefig(drawn, dpi=dots_per_inch, metadata={"Software": None})
    with Image.open(drawn) as image:
        few = image.convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE)
        few.save(packed, "PNG", optimize=True)
    return packed.getvalue()


def css_width(figure: Figure) -> int:
    """The width at which a figure's text has its nominal size, in CSS pixels."""
    return round(float(figure.get_size_inches()[0]) * _CSS_INCH)
