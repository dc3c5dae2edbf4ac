"""What a command would do, without doing it: settings, size and estimated time."""

import json
import os
import time
from dataclasses import asdict

from icl_mlflow.launch.settings import LaunchSettings
from icl_mlflow.suite import parse_seeds
from icl_mlflow.training.build import initial_model, problem, resolved, training_batch
from icl_mlflow.training.device import compute_threads, pick_device
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.training.step import Optimisation

_TIMED_STEPS = 5


def plan(settings: TrainSettings, launch: LaunchSettings) -> str:
    """The resolved settings, the number of parameters and an estimate of the time."""
    model = initial_model(settings)
    n_parameters = sum(parameter.numel() for parameter in model.parameters())
    members = parse_seeds(launch.seeds) if launch.seeds else (settings.seed,)
    at_once = min(launch.jobs or os.cpu_count() or 1, len(members))
    threads = 1 if launch.seeds else settings.threads
    seconds = settings.total_steps * step_seconds(settings, threads)
    rounds = -(-len(members) // at_once)
    return "\n".join(
        [
            json.dumps(resolved(settings) | asdict(launch), indent=2),
            f"members      {len(members)}, {at_once} at once",
            f"parameters   {n_parameters:,} each",
            f"steps        {settings.total_steps:,} each",
            f"training     about {_duration(seconds * rounds)} on this machine",
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
