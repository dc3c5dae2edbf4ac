"""What a command would do, without doing it: settings, size and estimated time."""

import json
import os
import time
from collections.abc import Sequence
from dataclasses import replace

from icl_mlflow.launch.settings import LaunchSettings, SeedSettings
from icl_mlflow.suite import grid, parse_seeds
from icl_mlflow.training.build import initial_model, problem, resolved, training_batch
from icl_mlflow.training.device import compute_threads, pick_device
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.training.step import Optimisation

_TIMED_STEPS = 5


def plan(settings: TrainSettings, several: SeedSettings, launch: LaunchSettings) -> str:
    """What `train` would do: settings, size and estimated time."""
    if several.seeds is None:
        return plan_members([settings], launch.jobs)
    seeds = parse_seeds(several.seeds)
    members = grid(replace(settings, threads=1), [settings.variant], seeds)
    return plan_members(members, launch.jobs)


def plan_members(members: Sequence[TrainSettings], jobs: int) -> str:
    """The settings that the members share, their names, and the time all of them take.

    Each kind of member is timed over a few steps.
    """
    shared = dict.fromkeys(
        set.intersection(*(set(resolved(m).items()) for m in members))
    )
    first = {k: v for k, v in resolved(members[0]).items() if (k, v) in shared}
    kinds = {member.variant: member for member in members}
    costs = {
        name: member.total_steps * step_seconds(member, member.threads)
        for name, member in kinds.items()
    }
    total = sum(costs[member.variant] for member in members)
    longest = max(costs.values())
    at_once = min(jobs or os.cpu_count() or 1, len(members))
    sizes = [
        sum(parameter.numel() for parameter in initial_model(member).parameters())
        for member in kinds.values()
    ]
    return "\n".join(
        [
            json.dumps(first, indent=2),
            f"members      {', '.join(member.run_name for member in members)}",
            f"at once      {at_once}",
            f"parameters   {' to '.join(f'{n:,}' for n in sorted({min(sizes), max(sizes)}))}",
            f"steps        {members[0].total_steps:,} each",
            f"training     about {_duration(max(longest, total / at_once))} in all, "
            "on this machine as it is now",
            "dry run: nothing was trained, no run was created",
        ]
    )


def step_seconds(settings: TrainSettings, threads: int) -> float:
    """The median time of a training step, measured over a few."""
    chosen, device = problem(settings), pick_device(settings.device)
    model = initial_model(settings).to(device)
    optimisation = Optimisation(settings, model, chosen.variant.frozen)
    taken = []
    with compute_threads(threads):
        for step in range(_TIMED_STEPS + 1):
            started = time.perf_counter()
            batch = training_batch(settings, chosen, step, device)
            float(optimisation.step(batch).loss)
            taken.append(time.perf_counter() - started)
    return sorted(taken[1:])[_TIMED_STEPS // 2]


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
