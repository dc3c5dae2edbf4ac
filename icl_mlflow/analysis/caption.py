"""Captions: what a figure shows, of how many models and episodes, with which bands."""

import inspect
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from matplotlib.figure import Figure

from icl_mlflow.analysis.sentences import band_meaning
from icl_mlflow.analysis.side_by_side import group_of

#: What draws a figure, of whatever it needs.
Drawing = Callable[..., Figure]


@dataclass(frozen=True)
class CaptionedFigure:
    """A figure and what it shows, in sentences."""

    figure: Figure
    caption: str


def caption(
    draw: Drawing,
    models: Sequence[str],
    episodes: int,
    kind: str = "episodes",
    *,
    question: str = "",
) -> str:
    """The sentences below a figure.

    Args:
        draw: what has drawn it; the first sentence of its docstring says what is shown.
        models: the names of all that are in it, such as ``A-baseline-seed0``.
        episodes: that they were asked about; 0 if that is not known.
        kind: of these episodes.
        question: that the figure answers, if any.

    >>> from icl_mlflow.analysis.performance.context_length import draw
    >>> print(caption(draw, ["A-baseline-seed0", "A-baseline-seed1"], 5_000))
    Accuracy and excess risk against the context length. 2 seeds; bands: range of the \
seeds. 5,000 episodes.
    """
    asked = f"{episodes:,} {kind}." if episodes else ""
    parts = [question, shown_by(draw), f"{_models(models)}.", asked]
    return " ".join(filter(None, parts))


def shown_by(draw: Drawing) -> str:
    """What a drawing shows: the first sentence of its docstring."""
    shown = inspect.getdoc(draw.func if isinstance(draw, partial) else draw) or ""
    return " ".join(shown.partition("\n\n")[0].split())


def _models(names: Sequence[str]) -> str:
    """How many models, and what the bands around them are."""
    seeds = Counter(map(group_of, dict.fromkeys(names)))
    most = max(seeds.values(), default=0)
    if most == 0:
        return "No model has finished"
    if most == 1:
        told = "One model" if len(seeds) == 1 else f"{len(seeds)} models"
        return f"{told}; intervals: 95 % over episodes"
    alike = "seeds" if set(seeds.values()) == {most} else "seeds at most"
    variants = f"{len(seeds)} variants, {most} {alike} of each"
    told = f"{most} seeds" if len(seeds) == 1 else variants
    return f"{told}; bands: {band_meaning(most)}"
