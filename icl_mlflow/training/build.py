"""From settings to what they name: the task, the variant, the model, the episodes."""

from dataclasses import dataclass, fields

import torch

from icl_mlflow.episodes import Episodes
from icl_mlflow.models import EMBEDDINGS, Architecture, Transformer
from icl_mlflow.streams import generator
from icl_mlflow.tasks import TASKS
from icl_mlflow.tasks.base import Task, with_parameters
from icl_mlflow.training.settings import TASK_FIELDS, TrainSettings
from icl_mlflow.variants import VARIANTS
from icl_mlflow.variants.base import Variant


@dataclass(frozen=True)
class Problem:
    """What a run learns and on which model.

    Attributes:
        task: with the parameters of the settings and of the variant.
        variant: what is changed.
        architecture: of the model.
        n_context: context points of every episode.
    """

    task: Task
    variant: Variant
    architecture: Architecture
    n_context: int


def problem(settings: TrainSettings) -> Problem:
    """Resolve the names in the settings.

    Raises:
        ValueError: settings that contradict each other, such as ``sigma_min`` on task A.
    """
    variant = VARIANTS[settings.variant]
    given = {name: getattr(settings, name) for name in TASK_FIELDS}
    changes = {name: value for name, value in given.items() if value is not None}
    known = {f.name for f in fields(TASKS[settings.task])}  # type: ignore[arg-type]
    for name in changes:
        if name not in known:
            raise ValueError(
                f"task {settings.task} has no {name}; "
                f"its parameters are: {', '.join(sorted(known))}"
            )
    task = with_parameters(
        TASKS[settings.task], {"dim": settings.dim, **changes, **variant.task_parameters}
    )
    n_context = settings.n_context * variant.context_factor
    needed = EMBEDDINGS[variant.embedding].n_tokens(n_context * variant.table_factor)
    architecture = Architecture(
        dim=settings.dim,
        positions=needed,
        d_model=settings.d_model,
        n_layers=settings.n_layers,
        n_heads=settings.n_heads,
        embedding=variant.embedding,
    )
    return Problem(task, variant, architecture, n_context)


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
) -> Episodes:
    """The batch of one step, as the model is to see it."""
    seed = settings.seed if settings.data_seed is None else settings.data_seed
    episodes = chosen.task.sample(
        settings.batch_size,
        chosen.n_context,
        seed=seed,
        stream="train",
        step=step,
        device=device,
    )
    rng = generator(seed, "train intervention", step, device)
    return chosen.variant.on_train(episodes, rng)
