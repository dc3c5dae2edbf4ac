"""The figures of an ablation, and those of a reproduction."""

from dataclasses import replace

from icl_mlflow.analysis.ablation import figures, grid
from icl_mlflow.analysis.ablation.ceilings import ceilings
from icl_mlflow.analysis.ablation.effects import CellMembers
from icl_mlflow.analysis.caption import CaptionedFigure
from icl_mlflow.reproduction import page
from icl_mlflow.reproduction.table import rows
from icl_mlflow.suite.axes import axes_of, cells_of, in_cell, shown_cell
from icl_mlflow.suite.execution import Execution
from icl_mlflow.suite.grid import parse_seeds
from icl_mlflow.suite.request import papers_trainings
from icl_mlflow.tracking.models.download import MissingFileError
from icl_mlflow.tracking.runs.history import HISTORY
from icl_mlflow.tracking.runs.query import MEMBERS
from icl_mlflow.tracking.runs.results import EndedRun
from icl_mlflow.workflows.ablation.cells import ceilings_by_label
from icl_mlflow.workflows.ablation.log import title_of
from icl_mlflow.workflows.figures.analysis import answer
from icl_mlflow.workflows.reproduce import title_of as title_of_reproduction
from icl_mlflow.workflows.reproduction.evidence import (
    EPISODES,
    QUESTIONS,
    baselines,
    evidence,
)


def figures_of_ablation(run: EndedRun) -> dict[str, CaptionedFigure]:
    """The figures of an ablation by name.

    Raises:
        ValueError: a file of the run is missing or damaged.
    """
    settings = run.settings()
    table = run.table("tables/ablation.csv")
    history = run.table(HISTORY)
    params = run.params
    axes = axes_of(params["grid"], settings) if "grid" in params else {}
    variants = params["variants"].split(",")
    tops = ceilings_by_label(
        [
            CellMembers(
                where={grid.CELL: shown_cell(cell)} if axes else {},
                members=(),
                ceilings=ceilings(in_cell(settings, cell), variants),
            )
            for cell in cells_of(axes)
        ]
    )
    title = title_of(settings.task, parse_seeds(params["seeds"]))
    return figures.drawn(table, history, settings, tops, title, axes=axes)


def figures_of_reproduction(run: EndedRun) -> dict[str, CaptionedFigure]:
    """The figures of a reproduction by name; its trainings are read back.

    Raises:
        ValueError: a file of the run, or a training of it, is missing or damaged.
    """
    # Where it was computed is no part of what it is.
    settings = replace(run.settings(), device="auto")
    request = papers_trainings(settings, run.params["seeds"], Execution())
    run_ids = {
        member["settings_hash"]: member["run_id"]
        for member in run.json(MEMBERS)
        if member["run_id"]
    }
    store = run.store
    found = evidence(store, request, run_ids, baselines(store, request, run_ids))
    judged = rows(found)
    own = page.drawn(found, judged, title_of_reproduction(request.seeds))
    return own | _answers(run, min(EPISODES, settings.test_episodes))


def _answers(run: EndedRun, episodes: int) -> dict[str, CaptionedFigure]:
    """The figures of the paper's questions, by question and task."""
    found = {}
    for question in QUESTIONS:
        for task in ("A", "B"):
            name = f"{question}-{task}"
            try:
                table = run.table(f"tables/{name}.csv")
            except MissingFileError:  # the question cannot be put to this task
                continue
            found[name] = answer(question, table, episodes)
    return found
