"""The course of training: what the checkpoints of runs answer, epoch by epoch."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from icl_mlflow.analysis import style
from icl_mlflow.analysis.base import Analysis
from icl_mlflow.analysis.report.answer import Answer, Measurement, answers
from icl_mlflow.escaping import for_figure

#: Numbers of an analysis that are drawn; the ends of their intervals are not.
_MOST_PANELS = 9
_ENDS = ("/low", "/high")

#: Runs that a legend names.
_MOST_NAMED = 7


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What a measurement is of: the weights of a run after an epoch.

    Attributes:
        run: its name.
        epoch: from 0.
        measured: what the weights answered.
    """

    run: str
    epoch: int
    measured: Measurement


def courses(name: str, analysis: Analysis, stages: Sequence[Stage]) -> list[Answer]:
    """The answers of the last checkpoints, with every number against the epoch.

    Args:
        name: of the analysis.
        analysis: that was put to them.
        stages: of one run or several.
    """
    last = {stage.run: stage.epoch for stage in sorted(stages, key=_by_epoch)}
    ends = [stage for stage in stages if stage.epoch == last[stage.run]]
    epochs = ", ".join(str(epoch) for epoch in sorted(set(last.values())))
    return [
        replace(
            answer,
            verdict=f"{answer.verdict} After epoch {epochs}.",
            frame=table(_of_group(stages, answer)),
            draw=draw,
            beside=draw,
        )
        for answer in answers(name, analysis, [stage.measured for stage in ends])
    ]


def table(stages: Sequence[Stage]) -> pd.DataFrame:
    """One row a checkpoint: ``model`` (its run), ``epoch`` and every number."""
    rows = [
        {
            "model": stage.run,
            "epoch": stage.epoch,
            **{
                number: value
                for number, value in stage.measured.numbers.items()
                if not number.endswith(_ENDS)
            },
        }
        for stage in sorted(stages, key=_by_epoch)
    ]
    return pd.DataFrame(rows)


def draw(frame: pd.DataFrame) -> Figure:
    """A panel for each number, a line for each run."""
    numbers = [column for column in frame.columns if column not in ("model", "epoch")]
    shown = numbers[:_MOST_PANELS]
    figure, panels = style.small_multiples(len(shown), panel=(4.0, 2.8))
    runs = list(dict.fromkeys(frame["model"]))
    for axes, number in zip(panels, shown, strict=True):
        for index, run in enumerate(runs):
            of_run = frame[frame["model"] == run]
            axes.plot(
                of_run["epoch"],
                of_run[number],
                marker="o",
                markersize=3,
                color=style.CYCLE[index % len(style.CYCLE)],
                label=for_figure(run),
            )
        style.title(axes, for_figure(number))
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if 1 < len(runs) <= _MOST_NAMED:
        style.legend(panels[0])
    return figure


def series(
    name: str, stages: Sequence[Stage], number: str = ""
) -> list[tuple[int, Mapping[str, float]]]:
    """A number of an analysis as a metric: (epoch, its mean over runs by name).

    Args:
        name: of the analysis.
        stages: of one run or several.
        number: which; the first if not given.
    """
    chosen = number or next(iter(stages[0].measured.numbers))
    values: dict[int, list[float]] = {}
    for stage in sorted(stages, key=_by_epoch):
        value = stage.measured.numbers.get(chosen, math.nan)
        values.setdefault(stage.epoch, []).append(value)
    means = {epoch: statistics.fmean(each) for epoch, each in values.items()}
    return [
        (epoch, {f"{name}/{chosen}": mean})
        for epoch, mean in means.items()
        if math.isfinite(mean)
    ]


def _of_group(stages: Sequence[Stage], answer: Answer) -> list[Stage]:
    return [s for s in stages if answer.group in {"", s.measured.group}]


def _by_epoch(stage: Stage) -> tuple[int, str]:
    return stage.epoch, stage.run
