"""What a training leaves in its run once it is over."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import safetensors.torch
from matplotlib.figure import Figure
from torch import Tensor

from icl_mlflow.analysis.performance import calibration, learning_curves, llr_regression
from icl_mlflow.evaluation import EvaluationSet, bayes_accuracy
from icl_mlflow.suite.description import answered
from icl_mlflow.suite.training_result import TrainingResult
from icl_mlflow.tables import csv
from icl_mlflow.tracking.local.temporary import temporary_folder
from icl_mlflow.tracking.runs.history import HISTORY
from icl_mlflow.tracking.runs.results import PREDICTIONS
from icl_mlflow.tracking.runs.run_log import RunLog
from icl_mlflow.training.datasets import evaluation_dataset
from icl_mlflow.training.fit import FittedModel, NonFiniteLossError
from icl_mlflow.training.problem import problem
from icl_mlflow.training.settings import TrainSettings


def log_end(
    log: RunLog, fitted: FittedModel, links: Mapping[str, str]
) -> TrainingResult:
    """Log everything that is known once training is over, the model last."""
    settings, history = fitted.settings, fitted.history
    last = {} if fitted.best_epoch is None else history[fitted.best_epoch].metrics
    best = {name: value for name, value in last.items() if name.startswith("val/")}
    if fitted.best_epoch is not None:
        log.tags({"best_epoch": fitted.best_epoch})
    log_results(log, fitted)
    # Last, so that a run that fails before has no registered model.
    bayes = bayes_accuracy(fitted.test_set.bayes_B)
    registered = log.model(
        fitted.model, settings, best | fitted.test, bayes_accuracy=bayes
    )
    test_set = evaluation_dataset(settings, "test")
    log.metrics(fitted.test, step=len(history), of_model=True, dataset=test_set)
    if registered:
        page = log.store.model_link(registered.name, registered.version)
        links = {registered.uri: page, **links}
    log.description(answered(fitted, links))
    return TrainingResult(
        settings=settings,
        run_id=log.run_id,
        model_uri=registered.uri if registered else None,
        epochs=history,
        best_epoch=fitted.best_epoch,
        test=fitted.test,
        bayes_accuracy=bayes,
        ui_link=log.ui_link(),
    )


def log_results(log: RunLog, fitted: FittedModel) -> None:
    """Log the tables, the figures and the log-odds behind them."""
    settings, name = fitted.settings, fitted.settings.run_name
    logit_B, truth = fitted.test_logit_B, fitted.test_set
    with temporary_folder() as folder:
        file = Path(folder, PREDICTIONS)
        scores = {"logit": logit_B, "bayes": truth.bayes_B, "oracle": truth.oracle_B}
        file.write_bytes(safetensors.torch.save({**scores, "label": truth.label_B}))
        log.artifact(file)
    curves = None
    if fitted.history:
        curves = learning_curves.measure([(settings.seed, fitted.history)])
        log.text(HISTORY, csv(curves))
    reliability = calibration.measure(logit_B, truth).assign(model=name)
    log.table("reliability", reliability)
    drawn = training_figures(settings, curves, logit_B, fitted.validation_set, truth)
    for figure_name, figure in drawn.items():
        log.figure(figure_name, figure)


def training_figures(
    settings: TrainSettings,
    curves: pd.DataFrame | None,
    logit_B: Tensor,
    validation: EvaluationSet,
    test: EvaluationSet,
) -> dict[str, Figure]:
    """The figures of a trained model by name.

    Args:
        settings: that it was trained with.
        curves: of `icl_mlflow.analysis.performance.learning_curves.measure`; None for a
            model that was not trained.
        logit_B: its answers to the test episodes.
        validation: the episodes that it was validated on.
        test: the episodes that it was tested on.
    """
    name = settings.run_name
    found = {}
    if curves is not None:
        lines = learning_curves.references(problem(settings).task, validation)
        found["learning_curves"] = learning_curves.draw(curves, lines, name)
    regression = llr_regression.measure(logit_B, test).assign(model=name)
    found["logit_vs_llr"] = llr_regression.draw(regression)
    reliability = calibration.measure(logit_B, test).assign(model=name)
    found["reliability"] = calibration.draw(reliability)
    return found


def log_last_good(log: RunLog, error: NonFiniteLossError) -> None:
    """Log the weights from before a training diverged, and where it did."""
    log.tags({"failure": str(error)})
    with temporary_folder() as folder:
        file = Path(folder, "last_good.safetensors")
        file.write_bytes(safetensors.torch.save(error.last_good))
        log.artifact(file)
