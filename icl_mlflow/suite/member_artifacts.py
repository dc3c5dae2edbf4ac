"""The artifacts of a training beside its metrics and its model."""

from pathlib import Path

import safetensors.torch

from icl_mlflow.analysis.performance import calibration, learning_curves, llr_regression
from icl_mlflow.tables import csv
from icl_mlflow.tracking.local.temporary import temporary_folder
from icl_mlflow.tracking.runs.history import HISTORY
from icl_mlflow.tracking.runs.results import PREDICTIONS
from icl_mlflow.tracking.runs.run_log import RunLog
from icl_mlflow.training.fit import FittedModel, NonFiniteLossError
from icl_mlflow.training.problem import problem


def log_results(log: RunLog, fitted: FittedModel) -> None:
    """Log the tables, the figures and the log-odds behind them."""
    settings, name = fitted.settings, fitted.settings.run_name
    logit_B, truth = fitted.test_logit_B, fitted.test_set
    with temporary_folder() as folder:
        file = Path(folder, PREDICTIONS)
        scores = {"logit": logit_B, "bayes": truth.bayes_B, "oracle": truth.oracle_B}
        file.write_bytes(safetensors.torch.save({**scores, "label": truth.label_B}))
        log.artifact(file)
    if fitted.history:
        curves = learning_curves.measure([(settings.seed, fitted.history)])
        task = problem(settings).task
        lines = learning_curves.references(task, fitted.validation_set)
        log.text(HISTORY, csv(curves))
        log.figure("learning_curves", learning_curves.draw(curves, lines, name))
    regression = llr_regression.measure(logit_B, truth).assign(model=name)
    log.figure("logit_vs_llr", llr_regression.draw(regression))
    reliability = calibration.measure(logit_B, truth).assign(model=name)
    log.table("reliability", reliability)
    log.figure("reliability", calibration.draw(reliability))


def log_last_good(log: RunLog, error: NonFiniteLossError) -> None:
    """Log the weights from before a training diverged, and where it did."""
    log.tags({"failure": str(error)})
    with temporary_folder() as folder:
        file = Path(folder, "last_good.safetensors")
        file.write_bytes(safetensors.torch.save(error.last_good))
        log.artifact(file)
