"""What was tried beyond the options of training: a loop of its own, open to change.

Nothing here is part of the package. `python -m benchmarks.frontier` runs these beside
the package's own recipes, on the same episodes, steps, validations and test set.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from benchmarks.frontier.muon import MuonOptimisation
from icl_mlflow.evaluation import log_loss, predict, scores
from icl_mlflow.models import InContextModel
from icl_mlflow.tasks import TASKS
from icl_mlflow.tasks.base import with_parameters
from icl_mlflow.training.compute.device import compute_threads
from icl_mlflow.training.fit import evaluation_episodes
from icl_mlflow.training.member_state import snapshot
from icl_mlflow.training.problem import Problem, initial_model, problem, training_batch
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.training.step import Optimisation
from icl_mlflow.variants.context import flip_labels

#: The tasks of arXiv 2603.10573, which all of this is about, and the lowest excess risk
#: of the checkpoints published with it, in nats: one million episodes each.
PUBLISHED = {"A": 0.0128, "B": 0.0072}


def as_it_is(chosen: Problem, _progress: float, _step: int) -> Problem:
    """No curriculum but the task's own."""
    return chosen


def short_contexts(chosen: Problem, progress: float, _step: int) -> Problem:
    """Begin with a quarter of the context, and add points at an even pace."""
    share = 0.25 + 0.75 * progress
    return replace(chosen, n_context=max(1, round(share * chosen.n_context)))


def noisy_labels(chosen: Problem, progress: float, _step: int) -> Problem:
    """Begin with a fifth of the context's labels flipped, and come to none.

    In place of what the variant does to the context; the baseline does nothing.
    """
    rate = 0.2 * (1 - progress)
    shown = replace(chosen.variant, on_train=flip_labels(rate))
    return replace(chosen, variant=shown)


def other_task(chosen: Problem, _progress: float, step: int) -> Problem:
    """Every other step on another task, of the same dimension (arXiv 2410.05448)."""
    if step % 2 == 0:
        return chosen
    (other,) = (
        TASKS[name] for name in PUBLISHED if type(TASKS[name]) is not type(chosen.task)
    )
    task = with_parameters(other, {"dim": chosen.task.dim})
    return replace(chosen, task=task, easing={})


def untouched(_model: InContextModel) -> None:
    """Start as the package does."""


@torch.no_grad()
def likeness(model: InContextModel) -> None:
    """Start where tokens attend to their like: W_K = W_Q, doubled (2506.13688)."""
    for name, weight in model.named_parameters():
        if name.endswith("in_proj_weight"):
            query, key, _ = weight.chunk(3)
            key.copy_(query)
            weight[: len(query) + len(key)] *= 2


@dataclass(frozen=True, kw_only=True)
class Alternative:
    """One change of how a model is trained.

    Attributes:
        variant: of the model, in place of the recipe's; empty for that.
        start: what is done to the initial model.
        uses_muon: whether Muon moves the hidden matrices, and AdamW the rest.
        averaged: how much of an exponential average of the weights every step keeps;
            the average is what is judged. 0 judges the weights themselves.
        eased: the problem at some progress, from 0 to below 1, through the share of the
            steps that curricula take, and at some step.
    """

    variant: str = ""
    start: Callable[[InContextModel], None] = untouched
    uses_muon: bool = False
    averaged: float = 0.0
    eased: Callable[[Problem, float, int], Problem] = as_it_is


def excess_risk(
    settings: TrainSettings,
    alternative: Alternative,
    on_epoch: Callable[[], None] = lambda: None,
) -> float:
    """Train one model and test its best epoch: nats.

    Args:
        settings: all the rest; on the CPU.
        alternative: what is changed.
        on_epoch: called after every validation.
    """
    if alternative.variant:
        settings = replace(settings, variant=alternative.variant)
    chosen = problem(settings)
    model = initial_model(settings)
    alternative.start(model)
    average = _average(model, alternative.averaged) if alternative.averaged else None
    judged = cast("InContextModel", average.module) if average else model
    with compute_threads(settings.threads):
        validation = evaluation_episodes(settings, chosen, "validation")
        optimisation = _optimisation(settings, chosen, alternative, model)
        best, best_loss = snapshot(judged), float("inf")
        for step in range(1, settings.total_steps + 1):
            _step(settings, chosen, alternative, optimisation, step - 1)
            if average:
                average.update_parameters(model)
            if step % settings.steps_per_epoch == 0:
                logit_B = predict(judged, validation.seen)
                loss = log_loss(logit_B, validation.label_B)
                if loss < best_loss:
                    best, best_loss = snapshot(judged), loss
                on_epoch()
        judged.load_state_dict(best)
        test = evaluation_episodes(settings, chosen, "test")
        return scores(predict(judged, test.seen), test)["excess_risk"]


def _optimisation(
    settings: TrainSettings,
    chosen: Problem,
    alternative: Alternative,
    model: InContextModel,
) -> Optimisation | MuonOptimisation:
    if alternative.uses_muon:
        return MuonOptimisation(settings, model)
    frozen = chosen.variant.frozen
    return Optimisation(settings, model, frozen)


def _average(model: InContextModel, kept: float) -> AveragedModel:
    ema = get_ema_multi_avg_fn(kept)  # type: ignore[no-untyped-call]
    return AveragedModel(model, multi_avg_fn=ema)


def _step(
    settings: TrainSettings,
    chosen: Problem,
    alternative: Alternative,
    optimisation: Optimisation | MuonOptimisation,
    step: int,
) -> None:
    progress = step / (settings.curriculum_share * settings.total_steps)
    if progress < 1:
        chosen = alternative.eased(chosen, progress, step)
    optimisation.step(training_batch(settings, chosen, step, "cpu"))


PRE_NORM = Alternative(variant="pre_norm")
AVERAGED = Alternative(averaged=0.99)
SHORT_CONTEXTS = Alternative(eased=short_contexts)
NOISY_LABELS = Alternative(eased=noisy_labels)
OTHER_TASK_FIRST = Alternative(eased=other_task)
ATTENTION_BY_LIKENESS = Alternative(start=likeness)
MUON = Alternative(uses_muon=True)
