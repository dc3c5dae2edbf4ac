"""Read back the run of a member that has been trained before."""

import logging

import torch

from icl_mlflow.evaluation import bayes_accuracy
from icl_mlflow.suite.training_result import TrainingResult
from icl_mlflow.tracking.local.safe_read import ModelError
from icl_mlflow.tracking.models.lookup import models_of_run
from icl_mlflow.tracking.runs.history import NoHistoryError, epochs_of, training_records
from icl_mlflow.tracking.runs.results import (
    UnreadableMemberError,
    finished_run,
    read_member,
)
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.training.settings import TrainSettings

_logger = logging.getLogger(__name__)


def finished_before(
    store: Store, settings: TrainSettings, parent_run_id: str | None = None
) -> TrainingResult | None:
    """The finished training of these settings, or None.

    Args:
        store: where to look.
        settings: whose identity counts.
        parent_run_id: look below this run alone; by default in the whole experiment.
    """
    run_id = finished_run(store, settings.identity, parent_run_id)
    if run_id is None:
        return None
    try:
        (model,) = models_of_run(store.client, run_id)
    except ModelError:  # it was deleted, or waits to be registered
        return None
    try:
        (record,) = training_records(store.client, run_id)
        bayes_B = torch.from_numpy(read_member(store, run_id).bayes_B)
    except (NoHistoryError, UnreadableMemberError) as error:
        _logger.warning("%s; it is trained again", error)
        return None
    return TrainingResult(
        settings=settings,
        run_id=run_id,
        model_uri=model.reference,
        epochs=epochs_of(record),
        best_epoch=record.best_epoch,
        test=record.test,
        bayes_accuracy=bayes_accuracy(bayes_B),
        ui_link=store.run_link(run_id),
        reused=True,
    )
