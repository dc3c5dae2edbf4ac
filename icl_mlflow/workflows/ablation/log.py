"""The log of an ablation: what its parent run is told, and each of its members."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import torch

from icl_mlflow.analysis.ablation import effects, figures, grid, page
from icl_mlflow.analysis.ablation.history import history as one_history
from icl_mlflow.analysis.ablation.history import paper_table
from icl_mlflow.analysis.ablation.table import readable, verdict_table
from icl_mlflow.analysis.ablation.verdict import with_verdicts
from icl_mlflow.analysis.report.page import Source, render
from icl_mlflow.settings import values_of
from icl_mlflow.suite.description import links_line
from icl_mlflow.suite.grid import BASELINE, shown_seeds
from icl_mlflow.suite.request import Request
from icl_mlflow.tables import csv, latex, markdown
from icl_mlflow.tracking.runs.history import DIFFERENCE, HISTORY
from icl_mlflow.tracking.runs.lifecycle import RunLog
from icl_mlflow.training.results import MemberResult
from icl_mlflow.version import VERSION
from icl_mlflow.workflows.ablation.cells import (
    ceilings_by_label,
    cells_of_suite,
    differences,
    verdicts,
)
from icl_mlflow.workflows.ablation.commands import commands

#: The report among the artifacts of the parent.
REPORT = "report.html"

#: Tags of a member: what the ablation says of its variant, and which one said so.
VERDICT, COMPARED_IN = "verdict", "compared_in"

#: Of the baseline, by epoch, on the parent: the curve that all others are read against.
_CURVES = (
    "train/loss",
    "train/accuracy",
    "val/loss",
    "val/accuracy",
    "val/excess_risk",
)
_TESTS = ("accuracy", "loss", "excess_risk")

_OF_METRICS = (
    "Metrics are the baseline's means over seeds; everything else, with intervals, is "
    "in `tables/ablation.csv`."
)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """All variants beside the baseline; in a grid, in every cell.

    Attributes:
        table: one row a variant (and cell), with verdicts.
        history: one row a variant, seed and epoch (and cell).
        differences: run id to a member's difference from the baseline, nats.
        verdicts: run id to the verdict on a member's variant.
    """

    table: pd.DataFrame
    history: pd.DataFrame
    differences: Mapping[str, float]
    verdicts: Mapping[str, str]


def log_comparison(
    log: RunLog,
    request: Request,
    members: Sequence[MemberResult],
    listed: Sequence[Mapping[str, object]],
) -> Comparison:
    """Compare, and log on the parent: tables, figures, report, headline metrics.

    Args:
        log: of the parent.
        request: what was asked for.
        members: those that finished and can be read.
        listed: of every member, where it is.
    """
    cells = cells_of_suite(request, members, listed)
    table = with_verdicts(
        effects.measure_cells(cells, BASELINE, n_planned=len(request.seeds))
    )
    history = pd.concat(
        [one_history(cell.members).assign(**cell.where) for cell in cells],
        ignore_index=True,
    )
    title = title_of(request.settings.task, request.seeds)
    for_readers = readable(table)
    log.table("ablation", table)
    log.text("tables/ablation.md", markdown(for_readers))
    log.text("tables/ablation.tex", latex(for_readers))
    by = (grid.CELL, "variant") if request.axes else ("variant",)
    log.table("paper", paper_table(history, by))
    log.text(HISTORY, csv(history))
    drawn = figures.drawn(
        table,
        history,
        request.settings,
        ceilings_by_label(cells),
        title,
        axes=request.axes,
    )
    for name, one in drawn.items():
        log.figure(name, one.figure)
    first = {figures.FOREST, figures.CURVES}
    shown = {
        name: one
        for name, one in drawn.items()
        if name in first or name.startswith(figures.HEAT_MAP)
    }
    report = page.report(
        title=title,
        table=table,
        shown=page.sections(table, shown),
        members=pd.DataFrame(listed),
        missing=_missing(listed),
        n_episodes=len(members[0].label_B),
        settings={k: v for k, v in _shared(request).items() if v is not None},
        commands=commands(request),
        sources=[
            Source(what="results in run", identity=log.run_id, link=log.ui_link())
        ],
        made_with={
            "icl-mlflow": VERSION,
            "torch": torch.__version__,
            "made": f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC",
        },
    )
    log.text(REPORT, render(report))
    if not request.axes:  # a mean over cells is a number of nothing
        log.metric_series(reference_metrics(table, history))
    log.tags({VERDICT: page.counted(table)})
    return Comparison(
        table=table,
        history=history,
        differences=differences(cells),
        verdicts=verdicts(cells, table),
    )


def title_of(task: str, seeds: Sequence[int]) -> str:
    """What stands above every figure of an ablation."""
    return f"Task {task}, seeds {shown_seeds(seeds)}"


def tell_members(
    log: RunLog, members: Sequence[MemberResult], found: Comparison
) -> None:
    """Tell each member its difference from the baseline, and its variant's verdict.

    Args:
        log: of the parent.
        members: those that were compared, some of which an earlier suite may have told.
        found: of them.
    """
    known = _told_before(log, members)
    for member in members:
        tags = {VERDICT: found.verdicts[member.run_id], COMPARED_IN: log.run_id}
        log.tags(tags, run_id=member.run_id)
        difference = found.differences.get(member.run_id)
        if difference is not None and known.get(member.run_id) != difference:
            log.metrics_of(member.run_id, {DIFFERENCE: difference}, len(member.history))


def _told_before(log: RunLog, members: Sequence[MemberResult]) -> dict[str, float]:
    """Run id to the difference that it has."""
    client = log.store.client
    metrics = {m.run_id: client.get_run(m.run_id).data.metrics for m in members}
    return {k: each[DIFFERENCE] for k, each in metrics.items() if DIFFERENCE in each}


def reference_metrics(
    table: pd.DataFrame, history: pd.DataFrame
) -> list[tuple[int, dict[str, float]]]:
    """The baseline's mean curves by epoch, and its test at the end: rows of metrics.

    None where no baseline finished.
    """
    base = history[history["variant"] == BASELINE]
    if base.empty:
        return []
    columns = [name for name in _CURVES if name in base]
    curves = base.groupby("epoch")[columns].mean()
    rows = [
        (int(str(epoch)), {str(k): float(v) for k, v in values.items()})
        for epoch, values in curves.iterrows()
    ]
    (row,) = table[table["variant"] == BASELINE].to_dict("records")
    last = {f"test/{name}": float(row[name]) for name in _TESTS}
    return [*rows, (len(rows), last)]


def describe(
    request: Request, table: pd.DataFrame, links: Mapping[str, str], what: str
) -> str:
    """The description of the parent: question, answer, the table of verdicts, links.

    Args:
        request: what was asked for.
        table: with verdicts.
        links: text to address.
        what: was trained and reused, in a sentence.
    """
    return "\n\n".join(
        [
            f"**{question(request)}**",
            f"**Answer.** {page.headline(table)}.",
            markdown(verdict_table(table)),
            *([] if request.axes else [_OF_METRICS]),
            links_line(links),
            what,
        ]
    )


def question(request: Request) -> str:
    """What an ablation or a grid answers."""
    task = request.settings.task
    if not request.axes:
        return f"Which parts does the test of task {task} need?"
    axes = " and ".join(request.axes)
    return f"How near does task {task} come to exact Bayes, over {axes}?"


def _shared(request: Request) -> dict[str, object]:
    """The settings that all members have."""
    own = {"variant", "seed", *request.axes}
    return {k: v for k, v in values_of(request.settings).items() if k not in own}


def _missing(listed: Sequence[Mapping[str, object]]) -> list[str]:
    return [
        f"{one['name']} did not finish; the same command trains it again"
        for one in listed
        if one["run_id"] is None
    ]
