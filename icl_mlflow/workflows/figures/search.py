"""The figure of a search for settings."""

from icl_mlflow.analysis import search as results
from icl_mlflow.analysis.caption import CaptionedFigure, shown_by
from icl_mlflow.tracking.runs.results import EndedRun
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.workflows.search.run import drawn
from icl_mlflow.workflows.search.space import space_of


def figures_of_search(run: EndedRun) -> dict[str, CaptionedFigure]:
    """The figure of a search by its name.

    Raises:
        ValueError: a file of the run is missing or damaged.
    """
    trials = run.table("tables/trials.csv")
    task, params = run.tags["task"], run.params
    space = space_of(params["space"], TrainSettings(task=task))
    episodes = int(params["val_episodes"])
    told = (
        f"{shown_by(results.draw)} {len(trials)} trials, one model each. "
        f"{episodes:,} validation episodes."
    )
    return {"trials": CaptionedFigure(drawn(trials, space, task), told)}
