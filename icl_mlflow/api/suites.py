"""Commands that train many models, as functions."""

from collections.abc import Callable
from typing import Any

from icl_mlflow.api.listening import OnEpoch, heard_epochs, nothing
from icl_mlflow.suite.axes import Grid
from icl_mlflow.suite.execution import Execution
from icl_mlflow.suite.grid import USUAL, Names, Seeds
from icl_mlflow.suite.request import (
    papers_trainings,
    several_variants,
)
from icl_mlflow.tracking.store.connection import connect
from icl_mlflow.tracking.store.quiet import quiet_mlflow
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.workflows import ablate as suites
from icl_mlflow.workflows import reproduce as reproduction
from icl_mlflow.workflows.diagram import run as diagrams
from icl_mlflow.workflows.diagram.plan import plan_diagram
from icl_mlflow.workflows.diagram.run import Diagram
from icl_mlflow.workflows.diagram.settings import USUAL_POOLS, Pools, preset_settings
from icl_mlflow.workflows.keywords import execution_of, settings_of
from icl_mlflow.workflows.search.plan import plan_search
from icl_mlflow.workflows.search.result import SearchResult
from icl_mlflow.workflows.search.run import search as carry_out_search
from icl_mlflow.workflows.search.trials import Trial
from icl_mlflow.workflows.settings import USUAL_SPACE


@quiet_mlflow()
def ablate(
    settings: TrainSettings | None = None,
    variants: Names = USUAL,
    seeds: Seeds = (0, 1, 2),
    *,
    grid: Grid | None = None,
    preset: str | None = None,
    experiment: str | None = None,
    execution: Execution | None = None,
    on_epoch: OnEpoch = nothing,
    quiet: bool = False,
    **given: Any,
) -> suites.Ablation:
    """Train every variant with every seed and compare them: ``icl-mlflow ablate``.

    Members that have finished before are reused.

    Args:
        settings: of every member, but for variant and seed; keywords beside it win.
        variants: such as ``["no_labels", "no_position"]``, or ``all``; the baseline
            joins. By default all, but with a grid the baseline alone.
        seeds: of every variant, such as ``range(5)``.
        grid: settings or parameters of the task, and their values, such as
            ``{"dim": [4, 8], "tau": [0, 3]}``: every combination is trained.
        preset: as for `train`.
        experiment: as for `train`.
        execution: as for `train`.
        on_epoch: called with the name and every epoch of every member that is trained.
        quiet: show no progress.
        given: any setting, parameter of the task or part of the execution.

    Raises:
        ValueError: an unknown variant, or one that the task cannot have; an axis or a
            value of the grid that there is not.
        StoreError: the tracking store cannot be used.
        MembersFailedError: some members did not finish; the others are compared.

    Example:
        ``ablate(task="A", variants=["no_position"], seeds=range(3)).table``
    """
    execution, given = execution_of(execution, given)
    settings = settings_of(settings, preset, given)
    request = several_variants(settings, variants, seeds, execution, grid)
    store = connect(experiment)
    suite = suites.plan_suite(store, request)
    missing = suite.missing
    label = f"{len(missing)} members"
    with heard_epochs(request, missing, label, on_epoch, quiet=quiet) as hear:
        return suites.ablate(store, suite, hear)


@quiet_mlflow()
def diagram(
    pools: Pools = USUAL_POOLS,
    seeds: Seeds = (0, 1, 2),
    *,
    episodes: int = 1_000,
    preset: str | None = None,
    experiment: str | None = None,
    execution: Execution | None = None,
    on_epoch: OnEpoch = nothing,
    quiet: bool = False,
    **given: Any,
) -> Diagram:
    """Train models of few and of many tasks, and ask along training what they are.

    ``icl-mlflow diagram``. Members that have finished before are reused.

    Args:
        pools: how many latents a model's training draws from, such as ``[4, 64]``.
        seeds: of every pool, such as ``range(3)``; each has a pool of its own.
        episodes: in the pool, and as many out of it, that every checkpoint answers.
        preset: ``efficient`` if not given; keywords beside it win.
        experiment: as for `train`.
        execution: as for `train`.
        on_epoch: called with the name and every epoch of every member that is trained.
        quiet: show no progress.
        given: any setting, parameter of the task or part of the execution.

    Raises:
        ValueError: settings that contradict each other, or that a diagram decides.
        StoreError: the tracking store cannot be used.
        MembersFailedError: some members did not finish.

    Example:
        ``diagram([4, 64, 1024], seeds=range(3)).claims``
    """
    execution, given = execution_of(execution, given)
    settings = preset_settings(preset, given)
    plan = plan_diagram(settings, pools, seeds, execution, episodes)
    store = connect(experiment)
    suite = diagrams.plan_members(store, plan)
    label = f"{len(suite.missing)} members"
    with heard_epochs(
        plan.request, suite.missing, label, on_epoch, quiet=quiet
    ) as hear:
        return diagrams.diagram(store, plan, suite, hear)


@quiet_mlflow()
def search(
    settings: TrainSettings | None = None,
    space: str = USUAL_SPACE,
    trials: int = 50,
    *,
    preset: str | None = None,
    experiment: str | None = None,
    on_trial: Callable[[Trial], None] = lambda _: None,
    **given: Any,
) -> SearchResult:
    """Search the settings that come nearest to exact Bayes: ``icl-mlflow search``.

    It goes on where an earlier call of the same search has ended. Needs the extra
    ``search``.

    Args:
        settings: of every trial, but for what is looked for; keywords beside it win.
        space: such as ``lr=1e-4:1e-2;batch_size=16,32``.
        trials: in all, those of earlier calls among them.
        preset: as for `train`.
        experiment: as for `train`.
        on_trial: called with every trial that has ended.
        given: any setting or parameter of the task.

    Raises:
        ValueError: Optuna is not installed, a space that cannot be, or another process
            is at the same search.
        StoreError: the tracking store cannot be used.

    Example:
        ``search(preset="efficient", trials=50).best``
    """
    plan = plan_search(settings_of(settings, preset, given), space, trials)
    return carry_out_search(connect(experiment), plan, on_trial)


@quiet_mlflow()
def reproduce(
    settings: TrainSettings | None = None,
    seeds: Seeds = (0, 1, 2),
    *,
    page_only: bool = False,
    preset: str | None = None,
    experiment: str | None = None,
    execution: Execution | None = None,
    on_epoch: OnEpoch = nothing,
    quiet: bool = False,
    **given: Any,
) -> reproduction.Reproduction:
    """Train the paper's experiments, and put its table beside ours.

    ``icl-mlflow reproduce``. Members that have finished before are reused.

    Args:
        settings: of every member, but for task, variant and seed; keywords beside it
            win.
        seeds: of every experiment, such as ``range(5)``.
        page_only: train nothing; table, figures and page are of what has finished.
        preset: as for `train`.
        experiment: as for `train`.
        execution: as for `train`.
        on_epoch: called with the name and every epoch of every member that is trained.
        quiet: show no progress.
        given: any setting or part of the execution.

    Raises:
        ValueError: a task, a variant or a parameter of a task is given; or nothing has
            finished that a page could be made of.
        StoreError: the tracking store cannot be used.
        MembersFailedError: some members did not finish; the page is of the others.

    Example:
        ``reproduce(precision="auto").table``
    """
    execution, given = execution_of(execution, given)
    settings = settings_of(settings, preset, given)
    request = papers_trainings(settings, seeds, execution)
    store = connect(experiment)
    suite = suites.plan_suite(store, request)
    missing = [] if page_only else suite.missing
    label = f"{len(missing)} members"
    with heard_epochs(request, missing, label, on_epoch, quiet=quiet) as hear:
        return reproduction.reproduce(store, suite, hear, page_only=page_only)
