"""The subjects of an analysis: trained models, with episodes and exact answers."""

from collections.abc import Sequence
from typing import cast

from icl_mlflow.analysis.base import Subject
from icl_mlflow.analysis.settings import EvaluationRequest
from icl_mlflow.evaluation import EvaluationSet, evaluation_set
from icl_mlflow.models import InContextModel, Transformer
from icl_mlflow.streams import generator
from icl_mlflow.tasks.base import Task, parameters, with_parameters
from icl_mlflow.tasks.wrappers.wrapping import WRAPPER_PARAMETERS
from icl_mlflow.training.compute.device import pick_device
from icl_mlflow.training.problem import Problem, problem
from icl_mlflow.training.results import TrainedModel

#: The random stream of the episodes of every analysis.
STREAM = "analysis"


def subjects(
    trained_models: Sequence[TrainedModel], asked: EvaluationRequest
) -> list[Subject]:
    """The subjects of trained models; those that are asked the same share episodes.

    Raises:
        ValueError: a shift that a task does not have, or a device that is not here.
    """
    device = pick_device(asked.device)
    drawn: dict[tuple[Task, int, str], EvaluationSet] = {}
    found = []
    for trained_model in trained_models:
        chosen = problem(trained_model.settings)
        task = shifted_task(trained_model.settings.task, chosen.task, asked.shifts)
        key = (task, chosen.n_context, trained_model.settings.variant)
        if key not in drawn:
            drawn[key] = asked_episodes(task, chosen, asked)
        model = trained_model.model.to(device)
        found.append(
            Subject(
                name=trained_model.name,
                predictor=model,
                transformer=looked_into(model),
                model=model,
                settings=trained_model.settings,
                problem=chosen,
                task=task,
                truth=drawn[key],
                seed=asked.seed,
            )
        )
    return found


def looked_into(model: InContextModel) -> Transformer | None:
    """The model, if analyses of internals know its parts."""
    return cast("Transformer", model) if model.architecture.is_published else None


def shifted_task(name: str, task: Task, shifts: dict[str, float]) -> Task:
    """The task that models are asked about: theirs, with some parameters changed.

    Raises:
        ValueError: names the parameters that the task has.
    """
    known = parameters(task)
    for shift in shifts:
        if shift not in {*known, *WRAPPER_PARAMETERS}:
            raise ValueError(
                f"task {name} has no {shift}; its parameters are: "
                f"{', '.join(sorted(known))}"
            )
    return with_parameters(task, shifts)


def asked_episodes(
    task: Task, chosen: Problem, asked: EvaluationRequest
) -> EvaluationSet:
    """The episodes of an analysis, as they are and as the variant shows them."""
    episodes = task.sample(
        asked.episodes, chosen.n_context, seed=asked.seed, stream=STREAM
    )
    rng = generator(asked.seed, f"{STREAM} intervention")
    seen = chosen.variant.on_eval(episodes, rng)
    return evaluation_set(task, episodes, seen.to(pick_device(asked.device)))
