"""The problem of a training: the task, variant, model and episodes of its settings."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from icl_mlflow.episodes import Episodes
from icl_mlflow.models import EMBEDDINGS, Architecture, Transformer
from icl_mlflow.settings import values_of
from icl_mlflow.streams import generator
from icl_mlflow.tasks import TASKS, curricula, shifts
from icl_mlflow.tasks.base import Task, parameters, with_parameters
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.variants import VARIANTS
from icl_mlflow.variants.applicable import check_applicable
from icl_mlflow.variants.base import Variant


@dataclass(frozen=True)
class Problem:
    """What a run learns, and the architecture that learns it.

    Attributes:
        task: with the parameters of the settings and of the variant.
        variant: what is changed.
        architecture: of the model.
        n_context: context points of every episode.
        easing: what makes the task easier at first: `icl_mlflow.tasks.curricula`.
        elsewhere: the same under each named shift that epochs are also evaluated on.
    """

    task: Task
    variant: Variant
    architecture: Architecture
    n_context: int
    easing: Mapping[str, float]
    elsewhere: Mapping[str, "Problem"]


@dataclass(frozen=True, kw_only=True)
class Batch:
    """The episodes of one step and what they teach.

    Attributes:
        seen: as the model is to see them; with the last of their queries.
        query_x_BQD: all queries of each context.
        label_BQ: their labels, int64, 0 or 1.
        target_BQ: the probability of y_q = 1 that the model is to answer, float32: the
            sampled label, or Bayes' posterior given the context as it was drawn. Both
            have the same best answer, since the label is a draw from the posterior; the
            posterior's gradients are far less noisy.
    """

    seen: Episodes
    query_x_BQD: Tensor
    label_BQ: Tensor
    target_BQ: Tensor


def problem(settings: TrainSettings) -> Problem:
    """The problem that settings describe, every name in them resolved.

    Raises:
        ValueError: settings that contradict each other, such as a ``sigma_min`` above
            ``sigma_max``, or a variant that the task cannot have.
    """
    variant = VARIANTS[settings.variant]
    check_applicable(settings.variant, settings.task)
    for name in settings.parameters:
        if name in variant.task_parameters:
            raise ValueError(
                f"variant {settings.variant} sets {name} to "
                f"{variant.task_parameters[name]}; leave {name} out"
            )
    task = with_parameters(
        TASKS[settings.task],
        {"dim": settings.dim, **settings.parameters, **variant.task_parameters},
    )
    n_context = settings.n_context * variant.context_factor
    architecture = Architecture(
        dim=settings.dim,
        positions=_positions(settings, variant),
        d_model=settings.d_model,
        n_layers=settings.n_layers,
        n_heads=settings.n_heads,
        embedding=variant.embedding,
        query_hidden=variant.query_hidden,
    )
    easing = curricula.factors(task, settings.curriculum)
    chosen = Problem(task, variant, architecture, n_context, easing, elsewhere={})
    shifted = shifts.shifted(task, settings.also_evaluate)
    elsewhere = {name: replace(chosen, task=there) for name, there in shifted.items()}
    return replace(chosen, elsewhere=elsewhere)


def _positions(settings: TrainSettings, variant: Variant) -> int:
    """Rows of the position table: those that are asked for, or that are needed."""
    embedding = EMBEDDINGS[variant.embedding]
    if settings.positions is None:
        return embedding.n_tokens(settings.n_context * variant.table_factor)
    needed = embedding.n_tokens(settings.n_context * variant.context_factor)
    if settings.positions < needed:
        raise ValueError(
            f"positions={settings.positions} is too few: an episode of "
            f"n_context={settings.n_context} makes {needed} tokens"
        )
    return settings.positions


def initial_model(settings: TrainSettings) -> Transformer:
    """The model before its first step, on the CPU; the seed decides its weights."""
    chosen = problem(settings)
    model = Transformer(
        chosen.architecture,
        rng=generator(settings.seed, "weights"),
        copied_layers=settings.layer_init == "copied",
    )
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(chosen.variant.on_init(name, parameter))
    return model


def training_batch(
    settings: TrainSettings, chosen: Problem, step: int, device: torch.device | str
) -> Batch:
    """The batch of one step: a function of settings and step alone."""
    seed = data_seed(settings)
    eased_for = settings.curriculum_share * settings.total_steps
    task = curricula.eased(chosen.task, chosen.easing, step / eased_for)
    n_context, n_queries = chosen.n_context, settings.queries_at(step)
    # Points of an episode are alike: those that the context leaves are more queries.
    drawn = task.sample(
        settings.batch_size,
        n_context + n_queries - 1,
        seed=seed,
        stream="train",
        step=step,
        device=device,
    )
    episodes = drawn.first(n_context)
    query_x_B1D, label_B1 = drawn.query_x_BD.unsqueeze(1), drawn.query_y_B.unsqueeze(1)
    query_x_BQD = torch.cat([drawn.context_x_BND[:, n_context:], query_x_B1D], dim=1)
    label_BQ = torch.cat([drawn.context_y_BN[:, n_context:], label_B1], dim=1)
    if settings.target == "bayes":
        asked = episodes.for_queries(query_x_BQD, label_BQ)
        target_BQ = task.bayes_logit(asked).sigmoid().float().view(label_BQ.shape)
    else:
        target_BQ = label_BQ.float()
    rng = generator(seed, "train intervention", step, device)
    return Batch(
        seen=chosen.variant.on_train(episodes, rng),
        query_x_BQD=query_x_BQD,
        label_BQ=label_BQ,
        target_BQ=target_BQ,
    )


def resolved(settings: TrainSettings) -> dict[str, str | int | float]:
    """Every setting that applies, with the task's own values where none was given."""
    given = {
        name: value for name, value in values_of(settings).items() if value is not None
    }
    task = problem(settings).task
    also = shifts.canonical(task, settings.also_evaluate)
    own = {"curriculum": settings.curricula, "also_evaluate": also}
    return {**given, **parameters(task), **own}


def data_digest(settings: TrainSettings) -> str:
    """A hash of how the training episodes are drawn."""
    chosen = problem(settings)
    sampling = {
        "task": settings.task,
        **parameters(chosen.task),
        "n_context": chosen.n_context,
        "shown": chosen.variant.on_train.does,
        "eased": dict(chosen.easing),
        "eased_for": settings.curriculum_share if chosen.easing else 0.0,
        "batch_size": settings.batch_size,
        "steps": settings.total_steps,
        "seed": data_seed(settings),
    }
    if settings.queries > 1:
        sampling |= {"queries": settings.queries, "share": settings.queries_share}
    text = json.dumps(sampling, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def data_seed(settings: TrainSettings) -> int:
    """The seed of the training episodes."""
    return settings.seed if settings.data_seed is None else settings.data_seed
