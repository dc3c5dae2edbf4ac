"""What a command would do, without doing it: settings, size and estimated time."""

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from icl_mlflow.launch.processes import usable_cores
from icl_mlflow.launch.settings import LaunchSettings, SeedSettings
from icl_mlflow.suite import grid, parse_seeds
from icl_mlflow.training.build import initial_model, problem, resolved, training_batch
from icl_mlflow.training.device import compute_threads, pick_device
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.training.step import Optimisation

_TIMED_STEPS = 6


def plan(settings: TrainSettings, several: SeedSettings, launch: LaunchSettings) -> str:
    """What `train` would do."""
    if several.seeds is None:
        return plan_members([settings], launch.jobs)
    seeds = parse_seeds(several.seeds)
    members = grid(replace(settings, threads=1), [settings.variant], seeds)
    return plan_members(members, launch.jobs)


def plan_members(members: Sequence[TrainSettings], jobs: int) -> str:
    """The settings that the members share, their names, and the time all of them take.

    One member of each variant is timed over a few steps.
    """
    one_each = {member.variant: member for member in members}
    seconds = {name: _training_seconds(member) for name, member in one_each.items()}
    at_once = min(jobs or usable_cores(), len(members))
    shared_out = sum(seconds[member.variant] for member in members) / at_once
    in_all = max(*seconds.values(), shared_out)
    sizes = sorted({_n_parameters(member) for member in one_each.values()})
    return "\n".join(
        [
            json.dumps(_shared_settings(members), indent=2),
            f"members      {', '.join(member.run_name for member in members)}",
            f"at once      {at_once}",
            f"parameters   {' or '.join(f'{size:,}' for size in sizes)}",
            f"steps        {members[0].total_steps:,} each",
            f"training     about {_duration(in_all)}, the machine as busy as now",
            "dry run: nothing was trained, no run was created",
        ]
    )


def _shared_settings(members: Sequence[TrainSettings]) -> dict[str, str | int | float]:
    first, *rest = [resolved(member) for member in members]
    return {
        name: value
        for name, value in first.items()
        if all(other.get(name) == value for other in rest)
    }


def _n_parameters(settings: TrainSettings) -> int:
    return sum(value.numel() for value in initial_model(settings).parameters())


def _training_seconds(settings: TrainSettings) -> float:
    """All steps at the median time of the first few, after one to warm up."""
    chosen, device = problem(settings), pick_device(settings.device)
    model = initial_model(settings).to(device)
    taken = []
    if not settings.epochs:
        return 0.0
    with compute_threads(settings.threads):
        optimisation = Optimisation(settings, model, chosen.variant.frozen)
        for step in range(min(_TIMED_STEPS, settings.total_steps)):
            started = time.perf_counter()
            batch = training_batch(settings, chosen, step, device)
            float(optimisation.step(batch).loss)
            taken.append(time.perf_counter() - started)
    return settings.total_steps * median(taken[1:] or taken)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
