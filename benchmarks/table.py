"""A table of results: the same text on the screen and in the Markdown file."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

#: What stands where there is nothing to say.
NONE = "-"


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of text under named columns.

    Attributes:
        title: what is measured.
        columns: their names.
        rows: as many texts each as there are columns.
        note: how to read it.
    """

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    note: str = ""

    def markdown(self) -> str:
        """A heading, the note and the table, its columns aligned."""
        lines = [self.columns, *self.rows]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        rule = "|".join(
            "-" * (width + 1) + (":" if index else "-")
            for index, width in enumerate(widths)
        )
        head, *body = (_line(each, widths) for each in lines)
        note = [self.note, ""] if self.note else []
        return "\n".join([f"## {self.title}", "", *note, head, f"|{rule}|", *body, ""])


def _line(texts: tuple[str, ...], widths: Sequence[int]) -> str:
    """The first column to the left, all others to the right."""
    first, *others = zip(texts, widths, strict=True)
    cells = [first[0].ljust(first[1]), *(text.rjust(width) for text, width in others)]
    return f"| {' | '.join(cells)} |"


def short(value: float) -> str:
    """A positive number with three digits, or more where it is 1000 and above."""
    return f"{value:.0f}" if value >= 99.95 else f"{value:#.3g}"


def milliseconds(seconds: Sequence[float]) -> str:
    """The median, in milliseconds."""
    return short(1e3 * statistics.median(seconds))


def spread(seconds: Sequence[float]) -> str:
    """From the fastest round to the slowest, in milliseconds."""
    return f"{short(1e3 * min(seconds))} to {short(1e3 * max(seconds))}"


def per_second(count: float, seconds: Sequence[float]) -> str:
    """How many a second, at the median."""
    return f"{count / statistics.median(seconds):.0f}"


def times(slower: Sequence[float], faster: Sequence[float]) -> str:
    """How many times as fast: the median over rounds of the ratio within a round."""
    ratios = [a / b for a, b in zip(slower, faster, strict=True)]
    return f"{statistics.median(ratios):.2f}x"


def percent(share: float) -> str:
    """A share, in percent."""
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"
