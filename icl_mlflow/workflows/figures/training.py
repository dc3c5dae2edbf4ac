"""The figures of a training, and those of the parent of several seeds."""

from dataclasses import replace

import torch

from icl_mlflow.analysis.caption import CaptionedFigure, Drawing, caption
from icl_mlflow.analysis.performance import calibration, learning_curves, llr_regression
from icl_mlflow.suite.member_artifacts import training_figures
from icl_mlflow.tracking.models.download import MissingFileError
from icl_mlflow.tracking.runs.history import HISTORY
from icl_mlflow.tracking.runs.results import PREDICTIONS, EndedRun
from icl_mlflow.training.fit import evaluation_episodes
from icl_mlflow.training.problem import problem
from icl_mlflow.workflows.train import curves_of_seeds

_VALIDATION, _TEST = "validation episodes", "test episodes"


def figures_of_training(run: EndedRun) -> dict[str, CaptionedFigure]:
    """The figures of one trained model by name.

    Raises:
        ValueError: a file of the run is missing or damaged, or its episodes are not
            those that this version draws.
    """
    settings = run.settings()
    chosen = problem(settings)
    validation, test = (
        evaluation_episodes(settings, chosen, stream)
        for stream in ("validation", "test")
    )
    arrays = run.arrays(PREDICTIONS)
    logit_B, label_B = (torch.as_tensor(arrays[k]) for k in ("logit", "label"))
    if not torch.equal(label_B, test.label_B):
        raise ValueError(
            f"the test episodes of run {run.run_id} are not those that this version "
            "of icl-mlflow draws; use the version in its tag package_version"
        )
    try:
        curves = run.table(HISTORY)
    except MissingFileError:  # it was not trained, or imported without a history
        curves = None
    figures = training_figures(settings, curves, logit_B, validation, test)
    drawings: dict[str, tuple[Drawing, int, str]] = {
        "learning_curves": (learning_curves.draw, len(validation), _VALIDATION),
        "logit_vs_llr": (llr_regression.draw, len(test), _TEST),
        "reliability": (calibration.draw, len(test), _TEST),
    }
    return {
        name: CaptionedFigure(
            figure, caption(drawings[name][0], [settings.run_name], *drawings[name][1:])
        )
        for name, figure in figures.items()
    }


def figures_of_seeds(run: EndedRun) -> dict[str, CaptionedFigure]:
    """The figures of the parent of several seeds by name.

    Raises:
        ValueError: a file of the run is missing or damaged.
    """
    settings, curves = run.settings(), run.table(HISTORY)
    models = [replace(settings, seed=int(s)).run_name for s in curves["seed"].unique()]
    told = caption(learning_curves.draw, models, settings.val_episodes, _VALIDATION)
    figure = curves_of_seeds(settings, curves)
    return {"learning_curves": CaptionedFigure(figure, told)}
