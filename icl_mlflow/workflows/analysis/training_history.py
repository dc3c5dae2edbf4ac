"""The answer to how training went, from the metrics that MLflow has of it."""

from collections.abc import Sequence
from functools import partial

from icl_mlflow.analysis.base import Topic
from icl_mlflow.analysis.performance import learning_curves
from icl_mlflow.analysis.report.answer import Answer, Measurement, joined, over_models
from icl_mlflow.tracking.models.sources import ReferencedModel, ReferencedModels
from icl_mlflow.tracking.runs.history import (
    NoHistoryError,
    TrainingRecord,
    epochs_of,
    training_records,
)
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.training.fit import evaluation_episodes
from icl_mlflow.training.problem import problem

#: Of the answer, and of its table and figure.
NAME = "learning_curves"
_QUESTION = "Did training leave the plateau?"
_FINAL = "test/"
_HEADLINE = "excess_risk"

_Trained = tuple[ReferencedModel, TrainingRecord]


def training_answers(store: Store, pulled: ReferencedModels) -> list[Answer]:
    """One answer a variant; none for models that were not trained here."""
    trained = []
    for model in pulled.models:
        if model.stored.epoch is not None:  # not the end of its training
            continue
        try:
            (record,) = training_records(store.client, model.stored.run_id)
        except NoHistoryError:
            continue
        if len(record.history):
            trained.append((model, record))
    variants = list(dict.fromkeys(record.variant for _, record in trained))
    asked = {model.trained_model.settings.variant for model in pulled.models}
    is_suite = len(asked) > 1
    return [
        _answer(
            [one for one in trained if one[1].variant == variant],
            variant if is_suite else "",
        )
        for variant in variants
    ]


def _answer(trained: Sequence[_Trained], group: str) -> Answer:
    settings = trained[0][0].trained_model.settings
    validation = evaluation_episodes(settings, problem(settings), "validation")
    lines = learning_curves.references(problem(settings).task, validation)
    measured = [
        Measurement(
            model=model.trained_model.name,
            group=group,
            frame=learning_curves.measure([(record.seed, epochs_of(record))]),
            numbers={
                name.removeprefix(_FINAL): value for name, value in record.test.items()
            },
        )
        for model, record in trained
    ]
    frame = joined(measured)
    numbers = over_models([one.numbers for one in measured])
    return Answer(
        analysis=NAME,
        group=group,
        question=_QUESTION,
        topic=Topic.RIGHT,
        verdict=learning_curves.verdict(frame, lines),
        numbers=numbers,
        headline=_HEADLINE,
        frame=frame,
        draw=partial(learning_curves.draw, lines=lines),
        beside=learning_curves.draw_beside,
        episodes=len(validation),
    )
