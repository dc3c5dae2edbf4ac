"""Requests to train, checked before any run exists and before MLflow is imported.

So a dry run and a refusal cost neither a run nor the seconds of that import.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from icl_mlflow.reproduction.paper import SHIFT, SHIFTED, trainings
from icl_mlflow.suite.engines.choice import check_engine
from icl_mlflow.suite.execution import Execution
from icl_mlflow.suite.grid import (
    Names,
    Seeds,
    grid,
    seeds_of,
    variants_of,
    with_baseline,
)
from icl_mlflow.training.compute.device import pick_device
from icl_mlflow.training.problem import problem
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.variants import VARIANTS
from icl_mlflow.variants.applicable import applicable_tasks


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is to be trained, checked; nothing has been created.

    Attributes:
        settings: of every member, but for variant and seed.
        variants: in order, the baseline first where variants are compared.
        seeds: of every variant.
        members: one for every (variant, seed).
        execution: by what they are trained.
    """

    settings: TrainSettings
    variants: tuple[str, ...]
    seeds: tuple[int, ...]
    members: tuple[TrainSettings, ...]
    execution: Execution


def one_model(settings: TrainSettings, execution: Execution) -> Request:
    """The request of `train` without seeds.

    Raises:
        ValueError: settings that contradict each other, or a device that is not here.
    """
    execution.check_one()
    check_ready(settings)
    return Request(
        settings=settings,
        variants=(settings.variant,),
        seeds=(settings.seed,),
        members=(settings,),
        execution=execution,
    )


def several_seeds(
    settings: TrainSettings, seeds: Seeds, execution: Execution
) -> Request:
    """The request of `train` with seeds.

    Raises:
        ValueError: as for `one_model`, or an engine that is not here.
    """
    return _suite(settings, (settings.variant,), seeds, execution)


def several_variants(
    settings: TrainSettings, variants: Names, seeds: Seeds, execution: Execution
) -> Request:
    """The request of `ablate`.

    Raises:
        ValueError: as for `several_seeds`, or a variant that is unknown or that the
            task cannot have.
    """
    chosen = choose_variants(variants, settings.task)
    return _suite(settings, chosen, seeds, execution)


def papers_trainings(
    settings: TrainSettings, seeds: Seeds, execution: Execution
) -> Request:
    """What `reproduce` is to train: all that the paper's table rests on.

    Args:
        settings: of every member, but for task, variant and seed.
        seeds: of every experiment.
        execution: by what they are trained.

    Raises:
        ValueError: as for `several_seeds`, or a task or its parameters are given: they
            are the paper's.
    """
    usual = TrainSettings()
    if settings.parameters or (settings.task, settings.variant, settings.positions) != (
        *(usual.task, usual.variant, usual.positions),
    ):
        raise ValueError(
            "reproduce trains the paper's tasks and variants; leave out task, variant, "
            "positions and parameters of a task"
        )
    execution.check_several()
    numbers = seeds_of(seeds)
    members: list[TrainSettings] = []
    for task, variant in trainings():
        also = SHIFT if (task, variant) == SHIFTED else "none"
        one = replace(settings, task=task, also_evaluate=also)
        members += check_members(one, (variant,), numbers)
    check_engine(execution.engine, execution.ray_address)
    return Request(
        settings=settings,
        variants=tuple(dict.fromkeys(variant for _, variant in trainings())),
        seeds=numbers,
        members=tuple(members),
        execution=execution,
    )


def _suite(
    settings: TrainSettings,
    variants: tuple[str, ...],
    seeds: Seeds,
    execution: Execution,
) -> Request:
    execution.check_several()
    numbers = seeds_of(seeds)
    members = check_members(settings, variants, numbers)
    check_engine(execution.engine, execution.ray_address)
    return Request(
        settings=settings,
        variants=variants,
        seeds=numbers,
        members=members,
        execution=execution,
    )


def check_ready(settings: TrainSettings) -> None:
    """Refuse, before any run exists, what could not be trained here.

    Raises:
        ValueError: settings that contradict each other, or a device that is not here.
    """
    problem(settings)
    pick_device(settings.device)


def choose_variants(variants: Names, task: str) -> tuple[str, ...]:
    """The variants that are named, or with ``all`` every one that the task can have.

    Raises:
        ValueError: an unknown variant.
    """
    if variants == "all":
        return tuple(v for v in VARIANTS.working() if task in applicable_tasks(v))
    return with_baseline(variants_of(variants))


def check_members(
    settings: TrainSettings, variants: Sequence[str], seeds: Sequence[int]
) -> tuple[TrainSettings, ...]:
    """All members, each checked.

    Raises:
        ValueError: a variant that the task cannot have, or contradicting settings.
    """
    members = tuple(grid(replace(settings, threads=1), variants, seeds))
    for member in members[:: len(seeds)]:
        check_ready(member)
    return members
