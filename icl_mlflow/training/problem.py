"""The problem of a training: the task, variant, model and episodes of its settings."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from icl_mlflow.episodes import Episodes
from icl_mlflow.models import EMBEDDINGS, FAMILIES, Architecture, InContextModel
from icl_mlflow.settings import values_of
from icl_mlflow.streams import generator
from icl_mlflow.tasks import TASKS, curricula, shifts
from icl_mlflow.tasks.base import Task, parameters, with_parameters
from icl_mlflow.training.lengths import drawn_lengths, posterior, shown
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.variants import VARIANTS
from icl_mlflow.variants.applicable import check_applicable
from icl_mlflow.variants.base import Variant, unchanged


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
        seen: as the model is to see them; with the last of their queries. What stands
            behind the length of a context is padding.
        query_x_BQD: all queries of each context.
        label_BQ: their labels, int64, 0 or 1.
        target_BQ: the probability of y_q = 1 that the model is to answer, float32: the
            sampled label, or Bayes' posterior given the context as it was drawn. Both
            have the same best answer, since the label is a draw from the posterior; the
            posterior's gradients are far less noisy.
        lengths_B: context points of each episode, int64; None where all have all.
    """

    seen: Episodes
    query_x_BQD: Tensor
    label_BQ: Tensor
    target_BQ: Tensor
    lengths_B: Tensor | None = None

    def to(self, device: torch.device | str) -> Self:
        """The same batch on ``device``."""
        return replace(
            self,
            seen=self.seen.to(device),
            query_x_BQD=self.query_x_BQD.to(device),
            label_BQ=self.label_BQ.to(device),
            target_BQ=self.target_BQ.to(device),
            lengths_B=None if self.lengths_B is None else self.lengths_B.to(device),
        )


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
        norm=variant.norm,
        attention=variant.attention,
        family=variant.family,
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


def initial_model(settings: TrainSettings) -> InContextModel:
    """The model before its first step, on the CPU; the seed decides its weights."""
    chosen = problem(settings)
    model = FAMILIES[chosen.architecture.family](
        chosen.architecture,
        rng=generator(settings.seed, "weights"),
        copied_layers=settings.layer_init == "copied",
    )
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(chosen.variant.on_init(name, parameter))
    return model


def with_weights(
    settings: TrainSettings, weights: Mapping[str, Tensor]
) -> InContextModel:
    """The model of settings with weights that training has given it, on the CPU."""
    architecture = problem(settings).architecture
    model = FAMILIES[architecture.family](architecture)
    model.load_state_dict(weights)
    return model.eval()


def training_batch(
    settings: TrainSettings, chosen: Problem, step: int, device: torch.device | str
) -> Batch:
    """The batch of one step: a function of settings and step alone.

    It is drawn on the CPU, wherever it is wanted, for other devices have random numbers
    of their own: so a model sees the same episodes on all of them.
    """
    return training_batches([settings], [chosen], step)[0].to(device)


def training_batches(
    members: Sequence[TrainSettings], chosen: Sequence[Problem], step: int
) -> list[Batch]:
    """The batches of one step of many members, on the CPU.

    What several members draw alike is drawn once, and is the same tensors in the
    batches of all of them.

    Args:
        members: what is trained.
        chosen: the problem of each.
        step: of all.
    """
    known: dict[_Lesson, Batch] = {}
    batches = []
    for settings, its_problem in zip(members, chosen, strict=True):
        lesson = _lesson(settings, its_problem, step)
        if lesson not in known:
            known[lesson] = lesson.batch()
        batch, intervention = known[lesson], its_problem.variant.on_train
        if intervention is not unchanged:
            rng = generator(lesson.seed, "train intervention", step)
            seen = shown(intervention, batch.seen, batch.lengths_B, rng)
            batch = replace(batch, seen=seen)
        batches.append(batch)
    return batches


@dataclass(frozen=True, kw_only=True)
class _Lesson:
    """All that decides what is drawn for a step; equal lessons draw the same."""

    task: Task
    n_episodes: int
    n_context: int
    n_queries: int
    is_bayes: bool
    seed: int
    step: int
    n_context_min: int | None

    def batch(self) -> Batch:
        """The episodes as they are drawn, and what they teach."""
        # Points of an episode are alike: those that the context leaves are more
        # queries.
        drawn = self.task.sample(
            self.n_episodes,
            self.n_context + self.n_queries - 1,
            seed=self.seed,
            stream="train",
            step=self.step,
        )
        n_context = self.n_context
        episodes = drawn.first(n_context)
        last_x_B1D, last_y_B1 = drawn.query_x_BD.unsqueeze(1), drawn.query_y_B[:, None]
        query_x_BQD = torch.cat([drawn.context_x_BND[:, n_context:], last_x_B1D], dim=1)
        label_BQ = torch.cat([drawn.context_y_BN[:, n_context:], last_y_B1], dim=1)
        lengths_B = self._lengths()
        target_BQ = label_BQ.float()
        if self.is_bayes:
            target_BQ = posterior(self.task, episodes, query_x_BQD, lengths_B)
        return Batch(
            seen=episodes,
            query_x_BQD=query_x_BQD,
            label_BQ=label_BQ,
            target_BQ=target_BQ,
            lengths_B=lengths_B,
        )

    def _lengths(self) -> Tensor | None:
        """The context points of each episode, where they vary."""
        if self.n_context_min is None:
            return None
        rng = generator(self.seed, "context lengths", self.step)
        return drawn_lengths(self.n_episodes, self.n_context_min, self.n_context, rng)


def _lesson(settings: TrainSettings, chosen: Problem, step: int) -> _Lesson:
    eased_for = settings.curriculum_share * settings.total_steps
    return _Lesson(
        task=curricula.eased(chosen.task, chosen.easing, step / eased_for),
        n_episodes=settings.batch_size,
        n_context=chosen.n_context,
        n_queries=settings.queries_at(step),
        is_bayes=settings.target == "bayes",
        seed=data_seed(settings),
        step=step,
        n_context_min=settings.n_context_min if settings.varies_length else None,
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
    if settings.varies_length:
        sampling |= {"n_context_min": settings.n_context_min}
    if settings.queries > 1:
        sampling |= {"queries": settings.queries, "share": settings.queries_share}
    text = json.dumps(sampling, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def data_seed(settings: TrainSettings) -> int:
    """The seed of the training episodes."""
    return settings.seed if settings.data_seed is None else settings.data_seed
