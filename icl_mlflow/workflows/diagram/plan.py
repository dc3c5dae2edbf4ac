"""The members of a diagram: a model a pool and seed, with checkpoints that double.

It needs no MLflow, so that a dry run costs nothing.
"""

from dataclasses import dataclass, replace
from typing import Any

from icl_mlflow.suite.execution import Execution
from icl_mlflow.suite.grid import BASELINE, Seeds
from icl_mlflow.suite.request import Request, several_variants
from icl_mlflow.training.settings import DOUBLING, TrainSettings
from icl_mlflow.workflows.diagram.settings import Pools, parse_pools


@dataclass(frozen=True, kw_only=True)
class DiagramPlan:
    """What a diagram trains and asks.

    Attributes:
        request: its members; the axis is the pool.
        episodes: in the pool, and as many out of it, that every checkpoint answers.
    """

    request: Request
    episodes: int


def plan_diagram(
    settings: TrainSettings,
    pools: Pools,
    seeds: Seeds,
    execution: Execution,
    episodes: int,
) -> DiagramPlan:
    """The members of a diagram; every seed has a pool of its own.

    Args:
        settings: of every member, but for pool and seed.
        pools: sizes of the pool.
        seeds: of every pool.
        execution: by what they are trained.
        episodes: that every checkpoint answers.

    Raises:
        ValueError: settings that contradict each other, or that a diagram decides.
    """
    if settings.parameters.keys() & {"pool", "pool_seed"}:
        raise ValueError("a diagram goes over pools: give pools, not pool or pool_seed")
    if settings.keep_checkpoints != DOUBLING or not settings.epochs:
        raise ValueError(
            "a diagram asks checkpoints: leave keep_checkpoints at doubling, and "
            "epochs above 0"
        )
    text = pools if isinstance(pools, str) else ",".join(map(str, pools))
    axes = {"pool": parse_pools(text)}
    request = several_variants(settings, BASELINE, seeds, execution, axes)
    changes: list[dict[str, Any]] = [{"pool_seed": m.seed} for m in request.members]
    members = tuple(
        replace(member, **own)
        for member, own in zip(request.members, changes, strict=True)
    )
    return DiagramPlan(request=replace(request, members=members), episodes=episodes)
