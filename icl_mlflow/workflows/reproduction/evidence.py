"""What do the finished trainings of the paper's experiments give?"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from icl_mlflow.analysis import ANALYSES
from icl_mlflow.analysis.ablation.ceilings import ceilings
from icl_mlflow.analysis.report.answer import Answer, answers
from icl_mlflow.analysis.settings import EvaluationRequest
from icl_mlflow.analysis.subject import subjects
from icl_mlflow.estimators.ceilings import Ceilings
from icl_mlflow.evaluation import accuracy, bayes_accuracy, predict
from icl_mlflow.reproduction.course import Course
from icl_mlflow.reproduction.paper import SHIFT, SHIFTED, trainings
from icl_mlflow.reproduction.table import Found, Training
from icl_mlflow.suite.request import Request
from icl_mlflow.tracking.models.lookup import ModelError
from icl_mlflow.tracking.models.sources import pull
from icl_mlflow.tracking.runs.history import (
    NoHistoryError,
    training_records,
    untested_record,
)
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.tracking.store.retry import repeated
from icl_mlflow.training.compute.device import compute_threads
from icl_mlflow.training.fit import evaluation_episodes
from icl_mlflow.training.problem import problem
from icl_mlflow.training.results import TrainedModel
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.workflows.analysis.measure import measure_all

#: The questions that the paper puts to its models, in its order.
QUESTIONS = (
    "llr_regression",
    "logit_lens",
    "kernel_regression",
    "ov_alignment",
    "component_ablation",
    "alignment_vs_impact",
)
#: Episodes that models are asked about: as many as the paper validates on.
EPISODES = 5_000

_logger = logging.getLogger(__name__)


def evidence(
    store: Store,
    request: Request,
    run_ids: Mapping[str, str],
    trained_models: Mapping[str, TrainedModel],
) -> Found:
    """All that the table rests on.

    Args:
        store: where the trainings are.
        request: what was asked for.
        run_ids: identity to run, of what has finished.
        trained_models: run id to model, of the baselines.
    """
    members: dict[Training, list[Course]] = {training: [] for training in trainings()}
    for one in request.members:
        course = repeated(partial(_course, store, one, run_ids.get(one.identity)))
        if course is not None:
            members[one.task, one.variant].append(course)
    shifted = _shifted(request.settings)
    chosen = problem(shifted).elsewhere[SHIFT]
    with compute_threads(0):
        tops = _ceilings(request)
        test = evaluation_episodes(shifted, chosen, "test")
        validation = evaluation_episodes(shifted, chosen, "validation")
        reached = {
            member.run_id: accuracy(
                predict(trained_models[member.run_id].model, validation.seen),
                validation.label_B,
            )
            for member in members[SHIFTED]
            if member.run_id in trained_models
            and f"{SHIFT}/accuracy" not in member.history
        }
    return Found(
        members=members,
        ceilings=tops,
        shifted_bayes=bayes_accuracy(test.bayes_B),
        shifted=reached,
        seeds=request.seeds,
        n_episodes=request.settings.val_episodes,
    )


def _course(
    store: Store, settings: TrainSettings, finished: str | None
) -> Course | None:
    """How a member went, if it came through its last epoch; else None.

    Args:
        store: where it is.
        settings: of the member.
        finished: its run, if it has finished.
    """
    if finished is None:
        record = untested_record(
            store.client, store.experiment_id, settings.identity, settings.epochs
        )
    else:
        try:
            (record,) = training_records(store.client, finished)
        except NoHistoryError as error:
            _logger.warning("%s; it is left out", error)
            return None
    if record is None:
        return None
    return Course(
        run_id=record.run_id,
        seed=settings.seed,
        history=record.history,
        is_finished=finished is not None,
    )


def _shifted(settings: TrainSettings) -> TrainSettings:
    task, variant = SHIFTED
    return replace(settings, task=task, variant=variant, also_evaluate=SHIFT)


def _ceilings(request: Request) -> dict[Training, Ceilings]:
    found: dict[Training, Ceilings] = {}
    for task in dict.fromkeys(task for task, _ in trainings()):
        variants = [variant for of, variant in trainings() if of == task]
        each = ceilings(replace(request.settings, task=task), variants)
        found |= {(task, variant): each[variant] for variant in variants}
    return found


def baselines(
    store: Store, request: Request, run_ids: Mapping[str, str]
) -> dict[str, TrainedModel]:
    """Run id to model of the finished baselines; a line for one that is not there."""
    found: dict[str, TrainedModel] = {}
    for one in request.members:
        run_id = run_ids.get(one.identity)
        if one.variant != "baseline" or run_id is None:
            continue
        try:
            (found[run_id],) = pull(store.client, run_id).trained_models
        except ModelError as error:  # it was deleted, or waits to be registered
            _logger.warning("%s; its figures are left out", error)
    return found


def answered(
    trained_models: Mapping[str, TrainedModel],
    settings: TrainSettings,
    on_analysis: Callable[[], None] = lambda: None,
) -> dict[str, list[Answer]]:
    """Task to what its baselines answer to the paper's questions.

    Args:
        trained_models: run id to model.
        settings: of their training, which say where to compute.
        on_analysis: called after every analysis of every model.
    """
    episodes = min(EPISODES, settings.test_episodes)
    asked = EvaluationRequest(episodes, settings.eval_seed, {}, settings.device)
    found: dict[str, list[Answer]] = {}
    for task in dict.fromkeys(one.settings.task for one in trained_models.values()):
        models = [one for one in trained_models.values() if one.settings.task == task]
        asked_subjects = subjects(models, asked)
        wanted = {
            subject.name: tuple(
                name for name in QUESTIONS if ANALYSES[name].refuses(subject) is None
            )
            for subject in asked_subjects
        }
        measured = measure_all(asked_subjects, asked, wanted, on_analysis=on_analysis)
        found[task] = [
            replace(answer, group=task)
            for name in QUESTIONS
            if (each := [one[name] for one in measured if name in one])
            for answer in answers(name, ANALYSES[name], each)
        ]
    return found
