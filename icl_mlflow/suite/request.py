"""Requests to train, checked before any run exists and before MLflow is imported.

So a dry run and a refusal cost neither a run nor the seconds of that import.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from icl_mlflow.reproduction.paper import SHIFT, SHIFTED, trainings
from icl_mlflow.suite.axes import (
    Axes,
    Grid,
    axes_of,
    cell_of,
    cells_of,
    in_cell,
    member_name,
    shown_cell,
)
from icl_mlflow.suite.engines.choice import check_engine
from icl_mlflow.suite.execution import Execution
from icl_mlflow.suite.grid import (
    ALL,
    BASELINE,
    USUAL,
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

#: Members of a suite: beyond, a plan alone would take minutes.
_MOST_MEMBERS = 100_000


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is to be trained, checked; nothing has been created.

    Attributes:
        settings: of every member, but for variant, seed and what the axes change.
        variants: in order, the baseline first where variants are compared.
        seeds: of every variant.
        members: one for every (cell, variant, seed).
        execution: by what they are trained.
        axes: of the grid, name to values; none without one.
    """

    settings: TrainSettings
    variants: tuple[str, ...]
    seeds: tuple[int, ...]
    members: tuple[TrainSettings, ...]
    execution: Execution
    axes: Axes = field(default_factory=dict)

    @property
    def cells(self) -> dict[str, tuple[TrainSettings, ...]]:
        """The members of every cell by what it is called; one cell without a grid."""
        found: dict[str, tuple[TrainSettings, ...]] = {}
        for member in self.members:
            cell = shown_cell(cell_of(member, self.axes))
            found[cell] = (*found.get(cell, ()), member)
        return found

    def names(self, members: Sequence[TrainSettings]) -> dict[str, TrainSettings]:
        """Members by what their runs are called."""
        return {member_name(member, tuple(self.axes)): member for member in members}


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
    settings: TrainSettings,
    variants: Names,
    seeds: Seeds,
    execution: Execution,
    grid: Grid | None = None,
) -> Request:
    """The request of `ablate`.

    Args:
        settings: of every member, but for variant, seed and what the grid changes.
        variants: names, ``all`` that the task can have, or ``default``: all without a
            grid, the baseline alone with one.
        seeds: of every variant.
        execution: by what they are trained.
        grid: axes such as ``dim=4,8;tau=0,3``, or by name; None without one.

    Raises:
        ValueError: as for `several_seeds`, a variant that is unknown or that the task
            cannot have, or an axis or a value that there is not.
    """
    axes = {} if grid is None else axes_of(grid, settings)
    if variants == USUAL:
        variants = BASELINE if axes else ALL
    chosen = choose_variants(variants, settings.task, axes)
    return _suite(settings, chosen, seeds, execution, axes)


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
    axes: Axes | None = None,
) -> Request:
    execution.check_several()
    numbers = seeds_of(seeds)
    cells = cells_of(axes or {})
    if len(cells) * len(variants) * len(numbers) > _MOST_MEMBERS:
        raise ValueError(f"the suite has more than {_MOST_MEMBERS:,} members")
    members: list[TrainSettings] = []
    for cell in cells:
        here = in_cell(settings, cell) if cell else settings
        try:
            members += check_members(here, variants, numbers)
        except ValueError as error:
            if not cell:
                raise
            raise ValueError(f"cell {shown_cell(cell)}: {error}") from error
    _check_different(members, axes or {})
    check_engine(execution.engine, execution.ray_address)
    return Request(
        settings=settings,
        variants=variants,
        seeds=numbers,
        members=tuple(members),
        execution=execution,
        axes=axes or {},
    )


def _check_different(members: Sequence[TrainSettings], axes: Axes) -> None:
    """Refuse two cells that are the same training.

    Raises:
        ValueError: names both; an axis does not decide the result here.
    """
    known: dict[str, TrainSettings] = {}
    for member in members:
        other = known.setdefault(member.identity, member)
        if other is not member:
            one, two = (shown_cell(cell_of(m, axes)) for m in (other, member))
            raise ValueError(f"cells {one} and {two} are the same training")


def check_ready(settings: TrainSettings) -> None:
    """Refuse, before any run exists, what could not be trained here.

    Raises:
        ValueError: settings that contradict each other, or a device that is not here.
    """
    problem(settings)
    pick_device(settings.device)


def choose_variants(
    variants: Names, task: str, axes: Collection[str] = ()
) -> tuple[str, ...]:
    """The variants that are named, or with ``all`` every one that the task can have.

    Args:
        variants: names, or ``all``.
        task: its name.
        axes: what a grid changes; ``all`` leaves out the variants that set it.

    Raises:
        ValueError: an unknown variant.
    """
    if variants != ALL:
        return with_baseline(variants_of(variants))
    return tuple(
        name
        for name, variant in VARIANTS.working().items()
        if task in applicable_tasks(name)
        and not variant.task_parameters.keys() & set(axes)
    )


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
