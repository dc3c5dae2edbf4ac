"""The figures of an analysis, and those of a comparison."""

import pandas as pd

from icl_mlflow.analysis import ANALYSES
from icl_mlflow.analysis.ablation import comparison
from icl_mlflow.analysis.caption import CaptionedFigure, Drawing, caption
from icl_mlflow.analysis.performance import learning_curves
from icl_mlflow.analysis.report import course
from icl_mlflow.analysis.report.section import suite_figure
from icl_mlflow.analysis.side_by_side import dots
from icl_mlflow.tracking.models.download import MissingFileError
from icl_mlflow.tracking.runs.results import EndedRun
from icl_mlflow.training.fit import evaluation_episodes
from icl_mlflow.training.problem import problem
from icl_mlflow.workflows.analysis.training_history import NAME as LEARNING_CURVES
from icl_mlflow.workflows.compare import title_of


def figures_of_analysis(run: EndedRun) -> dict[str, CaptionedFigure]:
    """The figures of an analysis by name: one a question.

    Raises:
        ValueError: a file of the run is missing or damaged.
    """
    models = run.table("tables/models.csv").set_index("model")
    settings = run.json("settings.json")
    episodes, is_suite = settings["episodes"], models["variant"].nunique() > 1
    found = {}
    for name in (LEARNING_CURVES, *ANALYSES):
        try:
            table = run.table(f"tables/{name}.csv")
        except MissingFileError:  # it was not asked
            continue
        if settings.get("checkpoints"):
            found[name] = _course(name, table, episodes)
            continue
        grouped = table.assign(group=table["model"].map(models["variant"]))
        if name == LEARNING_CURVES:
            found[name] = _learning_curves(run, grouped, models)
        elif is_suite:  # also where one of its variants alone could be asked
            found[name] = _side_by_side(name, grouped, episodes)
        else:
            found[name] = answer(name, table, episodes)
    return found


def _side_by_side(name: str, table: pd.DataFrame, episodes: int) -> CaptionedFigure:
    """The figure of an analysis of a suite: its variants side by side.

    Args:
        name: of the analysis.
        table: of all models that are in it, told apart by ``model`` and ``group``.
        episodes: that each was asked about.
    """
    analysis, frame = ANALYSES[name], table.drop(columns="group")
    numbers = {
        group: [
            analysis.summarise(part.drop(columns=["group", "model"]))
            for _, part in rows.groupby("model", sort=False)
        ]
        for group, rows in table.groupby("group", sort=False)
    }
    headline = analysis.headline or next(iter(next(iter(numbers.values()))[0]))
    headlines = {
        str(group): [one[headline] for one in each if headline in one]
        for group, each in numbers.items()
    }
    figure = suite_figure(analysis.beside, frame, headline, headlines)
    told = caption(
        analysis.beside or dots,
        list(frame["model"].unique()),
        analysis.episodes_of(episodes),
        question=analysis.question,
    )
    return CaptionedFigure(figure, told)


def _course(name: str, table: pd.DataFrame, episodes: int) -> CaptionedFigure:
    """What the checkpoints of runs answered, epoch by epoch."""
    told = caption(
        course.draw,
        list(table["model"].unique()),
        ANALYSES[name].episodes_of(episodes),
        question=ANALYSES[name].question,
    )
    return CaptionedFigure(course.draw(table), told)


def answer(name: str, table: pd.DataFrame, episodes: int) -> CaptionedFigure:
    """The figure of an analysis.

    Args:
        name: of the analysis.
        table: of all models that are in it.
        episodes: that each was asked about.
    """
    analysis = ANALYSES[name]
    told = caption(
        analysis.draw,
        list(table["model"].unique()),
        analysis.episodes_of(episodes),
        question=analysis.question,
    )
    return CaptionedFigure(analysis.draw(table), told)


def figures_of_comparison(run: EndedRun) -> dict[str, CaptionedFigure]:
    """The figure of a comparison by its name.

    Raises:
        ValueError: a file of the run is missing or damaged.
    """
    table, pairs = (run.table(f"tables/{name}.csv") for name in ("comparison", "pairs"))
    episodes = run.json("settings.json")["episodes"]
    title = title_of(run.name, episodes)
    models = list(pairs["second_model"].unique())
    told = caption(comparison.draw, models, episodes)
    return {"comparison": CaptionedFigure(comparison.draw(table, pairs, title), told)}


def _learning_curves(
    run: EndedRun, table: pd.DataFrame, models: pd.DataFrame
) -> CaptionedFigure:
    """Learning curves with what exact Bayes reaches on the episodes of validation."""
    curves = table.drop(columns="group")
    names = list(curves["model"].unique())
    trained_in = models.loc[names[0], "trained in run"]
    settings = EndedRun.of(run.client, str(trained_in)).settings()
    several = table["group"].nunique() > 1
    draw: Drawing = learning_curves.draw_beside if several else learning_curves.draw
    told = caption(draw, names, settings.val_episodes, "validation episodes")
    if several:
        return CaptionedFigure(draw(curves), told)
    chosen = problem(settings)
    validation = evaluation_episodes(settings, chosen, "validation")
    lines = learning_curves.references(chosen.task, validation)
    return CaptionedFigure(draw(curves, lines), told)
