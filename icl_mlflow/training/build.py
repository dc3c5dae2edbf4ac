"""From settings to what they name: the task, the variant, the model, the episodes."""

import hashlib
import json
from dataclasses import asdict, dataclass

import torch

from icl_mlflow.episodes import Episodes
from icl_mlflow.models import EMBEDDINGS, Architecture, Transformer
from icl_mlflow.streams import generator
from icl_mlflow.tasks import TASKS
from icl_mlflow.tasks.base import Task, parameters, with_parameters
from icl_mlflow.training.settings import TASK_FIELDS, TrainSettings
from icl_mlflow.variants import VARIANTS
from icl_mlflow.variants.applicable import check_applicable
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
        ValueError: settings that contradict each other, such as ``sigma_min`` on task
            A, or a variant that the task cannot have.
    """
    variant = VARIANTS[settings.variant]
    check_applicable(settings.variant, settings.task)
    given = {name: getattr(settings, name) for name in TASK_FIELDS}
    changes = {name: value for name, value in given.items() if value is not None}
    known = parameters(TASKS[settings.task])
    for name in changes:
        if name not in known:
            raise ValueError(
                f"task {settings.task} has no {name}; "
                f"its parameters are: {', '.join(sorted(known))}"
            )
        if name in variant.task_parameters:
            raise ValueError(
                f"variant {settings.variant} sets {name} to "
                f"{variant.task_parameters[name]}; leave {name} out"
            )
    task = with_parameters(
        TASKS[settings.task],
        {"dim": settings.dim, **changes, **variant.task_parameters},
    )
    n_context = settings.n_context * variant.context_factor
    room = settings.n_context * variant.table_factor
    architecture = Architecture(
        dim=settings.dim,
        positions=EMBEDDINGS[variant.embedding].n_tokens(room),
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
    seed = data_seed(settings)
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


def resolved(settings: TrainSettings) -> dict[str, str | int | float]:
    """Every setting that applies, with the task's own values where none was given."""
    given = {
        name: value for name, value in asdict(settings).items() if value is not None
    }
    return {**given, **parameters(problem(settings).task)}


def data_digest(settings: TrainSettings) -> str:
    """A hash of how the training episodes are drawn."""
    chosen = problem(settings)
    sampling = {
        "task": settings.task,
        **parameters(chosen.task),
        "n_context": chosen.n_context,
        "shown": chosen.variant.on_train.does,
        "batch_size": settings.batch_size,
        "steps": settings.total_steps,
        "seed": data_seed(settings),
    }
    text = json.dumps(sampling, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def data_seed(settings: TrainSettings) -> int:
    """The seed of the training episodes."""
    return settings.seed if settings.data_seed is None else settings.data_seed
