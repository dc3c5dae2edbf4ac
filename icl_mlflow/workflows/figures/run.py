"""Which figures does a run have? They are drawn again from its tables, as they were."""

from collections.abc import Callable, Sequence
from pathlib import Path

from icl_mlflow.analysis import style
from icl_mlflow.analysis.caption import CaptionedFigure
from icl_mlflow.tracking.runs.history import experiment_records
from icl_mlflow.tracking.runs.query import one_line_errors
from icl_mlflow.tracking.runs.results import EndedRun
from icl_mlflow.tracking.store.connection import open_client
from icl_mlflow.workflows.figures.analysis import (
    figures_of_analysis,
    figures_of_comparison,
)
from icl_mlflow.workflows.figures.search import figures_of_search
from icl_mlflow.workflows.figures.suite import (
    figures_of_ablation,
    figures_of_reproduction,
)
from icl_mlflow.workflows.figures.training import (
    figures_of_seeds,
    figures_of_training,
)

#: What draws all figures of a run of one kind.
RunDrawing = Callable[[EndedRun], dict[str, CaptionedFigure]]


def write_figures(
    run_ids: Sequence[str],
    experiment: str | None,
    folder: Path,
    ending: str,
    on_file: Callable[[Path], None] = lambda _file: None,
) -> None:
    """Draw every figure of finished runs again: a file each, and one of captions.

    Those of one run lie in ``folder``, those of several in a folder a run below it.

    Args:
        run_ids: of trainings, of parents of several seeds, and of what `ablate`,
            `reproduce`, `analyze` and `compare` have made.
        experiment: the name of one whose finished training runs are all taken too.
        folder: where files go; made where it is missing.
        ending: ``pdf`` or ``svg``.
        on_file: called with every file that is there.

    Raises:
        ValueError: nothing is named; a run is unknown, deleted or still running, or is
            of another kind, and nothing has been written then; or a run is not as it
            was left.
        StoreError: the tracking store cannot be used.
        OSError: a file cannot be written.
    """
    client = open_client()
    wanted = list(run_ids)
    if experiment is not None:
        wanted += [record.run_id for record in experiment_records(client, experiment)]
    if not wanted:
        raise ValueError("give the id of a run, several of them, or an experiment")
    runs = [EndedRun.of(client, run_id) for run_id in dict.fromkeys(wanted)]
    drawings = [_drawing(run) for run in runs]
    for run, drawing in zip(runs, drawings, strict=True):
        with one_line_errors(client):
            figures = drawing(run)
        place = folder if len(runs) == 1 else folder / _folder_name(run)
        place.mkdir(parents=True, exist_ok=True)
        for name, one in figures.items():
            file = place / f"{name}.{ending}"
            style.save(one.figure, file)
            on_file(file)
        told = [f"**{name}.** {one.caption}\n" for name, one in figures.items()]
        captions = place / "captions.md"
        captions.write_text("\n".join(told), encoding="utf-8")
        on_file(captions)


def _folder_name(run: EndedRun) -> str:
    """The run's name, which may be anything, as part of a path; and its id."""
    plain = "".join(c if c.isalnum() or c in "-_." else "_" for c in run.name)
    return f"{plain}-{run.run_id[:8]}"


def figures_of(run: EndedRun) -> dict[str, CaptionedFigure]:
    """The figures of a run by name, without folder and ending.

    Raises:
        ValueError: the run has none, or is not as it was left.
    """
    return _drawing(run)(run)


def _drawing(run: EndedRun) -> RunDrawing:
    """What draws the figures of such a run.

    Raises:
        ValueError: such a run has none.
    """
    tags, params = run.tags, run.params
    found: RunDrawing | None = None
    match tags.get("kind"):
        case "train":
            found = figures_of_training
        case "search":
            found = figures_of_search
        case "suite" if "reproduces" in tags:
            found = figures_of_reproduction
        case "suite" if "variants" in params:
            found = figures_of_ablation
        case "suite" if "variant" in tags:
            found = figures_of_seeds
        case "analysis" if "run_1" in params:
            found = figures_of_comparison
        case "analysis":
            found = figures_of_analysis
    if found is None:
        raise ValueError(
            f"run {run.run_id} has no figures; give the id of a run that "
            "train, ablate, search, reproduce, analyze or compare has made"
        )
    return found
