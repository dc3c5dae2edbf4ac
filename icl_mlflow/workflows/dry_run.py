"""The dry run of `train` and `ablate`: members, engine, settings, time and memory."""

import json
from collections.abc import Hashable, Sequence

from icl_mlflow.suite.axes import cell_of, member_name, shown_cell
from icl_mlflow.suite.engines.choice import Arrangement, Group, arrange
from icl_mlflow.suite.engines.estimate import (
    evaluation_bytes,
    program_bytes,
    shown_bytes,
    shown_duration,
    training_bytes,
    training_seconds,
)
from icl_mlflow.suite.engines.process_pool import usable_cores
from icl_mlflow.suite.execution import Execution
from icl_mlflow.training.compute.device import pick_device
from icl_mlflow.training.compute.precision import precision_reason
from icl_mlflow.training.problem import initial_model, resolved
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.training.stacked.planning import stack_key

#: Members that are listed by name.
_NAMED = 20
#: Bytes of episodes that are warned of.
_MUCH = 10**9


def plan_members(
    members: Sequence[TrainSettings], execution: Execution, axes: Sequence[str] = ()
) -> str:
    """Describe the members, the settings they share, the engine and what it takes.

    One group of each kind is timed over a few steps.

    Args:
        members: what would be trained.
        execution: by what.
        axes: of the grid that they stand in.
    """
    arrangement = arrange(
        members,
        engine=execution.engine,
        jobs=execution.jobs,
        ray_address=execution.ray_address,
    )
    one_each = {_kind(group): group for group in arrangement.groups}
    seconds = {kind: training_seconds(group) for kind, group in one_each.items()}
    each = [seconds[_kind(group)] for group in arrangement.groups]
    in_all = max(*each, sum(each) / _lanes(arrangement), 0.0)
    largest = max(training_bytes(group) for group in one_each.values())
    firsts = [group[0] for group in one_each.values()]
    sizes = sorted({_n_parameters(member) for member in firsts})
    steps = sorted({member.total_steps for member in members})
    return "\n".join(
        [
            json.dumps(_shared_settings(members), indent=2),
            *_cells(members, axes),
            f"members      {_names(members, axes)}",
            *_engine(arrangement, len(members)),
            *_precisions(members),
            f"parameters   {' or '.join(f'{size:,}' for size in sizes)}",
            f"steps        {' or '.join(f'{count:,}' for count in steps)} each",
            f"memory       {_memory(arrangement, largest)}",
            *_long_contexts(max(firsts, key=evaluation_bytes)),
            f"training     about {shown_duration(in_all)}, the machine as busy as now",
            "dry run: nothing was trained, no run was created",
        ]
    )


def _cells(members: Sequence[TrainSettings], axes: Sequence[str]) -> list[str]:
    """The cells of the grid, if there is one, a line each."""
    if not axes:
        return []
    found = dict.fromkeys(shown_cell(cell_of(member, axes)) for member in members)
    return [f"cells        {len(found)}:", *(f"             {cell}" for cell in found)]


def _precisions(members: Sequence[TrainSettings]) -> list[str]:
    one_each = {member.precision: member for member in members}
    return [
        f"precision    {name}: {precision_reason(member)}"
        for name, member in one_each.items()
    ]


def _names(members: Sequence[TrainSettings], axes: Sequence[str]) -> str:
    names = [member_name(member, axes) for member in members]
    if len(names) > _NAMED:
        return f"{len(names)}, from {names[0]} to {names[-1]}"
    return ", ".join(names)


def _kind(group: Group) -> Hashable:
    """Equal for groups that take equally long."""
    first = group[0]
    return first.variant, len(group), stack_key(first) if first.epochs else None


def _engine(arrangement: Arrangement, n_members: int) -> list[str]:
    """Which engine it would be, why, and with which stacks."""
    if n_members == 1:
        return []
    lines = [f"engine       {arrangement.engine}: {arrangement.why}"]
    if arrangement.engine == "stacked":
        sizes = [len(group) for group in arrangement.groups if len(group) > 1]
        n_alone = n_members - sum(sizes)
        beside = f"; {n_alone} of other shapes beside them" if n_alone else ""
        stacked = " + ".join(map(str, sizes)) or "no"
        lines.append(f"stacks       of {stacked} members{beside}")
    at_once = arrangement.at_once or "as many as the cluster has room for"
    return [*lines, f"at once      {at_once}"]


def _lanes(arrangement: Arrangement) -> int:
    """Groups that do not slow each other down."""
    if not arrangement.at_once:
        return usable_cores()
    device = pick_device(arrangement.groups[0][0].device)
    return 1 if device.type == "cuda" else arrangement.at_once


def _memory(arrangement: Arrangement, largest: int) -> str:
    """Of the most demanding group, and of what runs it."""
    group = "stack" if arrangement.engine == "stacked" else "member"
    taken = f"about {shown_bytes(largest)} a {group}"
    program = program_bytes()
    if program is None:
        return taken
    return f"{taken}, beside {shown_bytes(program)} for Python and its libraries"


def _long_contexts(settings: TrainSettings) -> list[str]:
    """A warning where the episodes of evaluation alone take much."""
    taken = evaluation_bytes(settings)
    if taken < _MUCH:
        return []
    line = (
        f"warning      {shown_bytes(taken)} of that for the episodes of validation and "
        f"test, of {settings.n_context:,} points each; fewer test_episodes take less"
    )
    return [line]


def _shared_settings(members: Sequence[TrainSettings]) -> dict[str, str | int | float]:
    first, *rest = [resolved(member) for member in members]
    return {
        name: value
        for name, value in first.items()
        if all(other.get(name) == value for other in rest)
    }


def _n_parameters(settings: TrainSettings) -> int:
    return sum(value.numel() for value in initial_model(settings).parameters())
