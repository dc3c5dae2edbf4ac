"""Estimate the time and memory of a group of members from a few steps."""

import sys
import time
from collections.abc import Iterator
from statistics import median

import torch

from icl_mlflow.suite.engines.choice import Group
from icl_mlflow.training.compute.device import (
    compute_threads,
    matrix_products,
    pick_device,
)
from icl_mlflow.training.problem import initial_model, problem, training_batch
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.training.stacked.drawing import BatchSource
from icl_mlflow.training.stacked.planning import member_bytes
from icl_mlflow.training.stacked.step import StackedOptimisation
from icl_mlflow.training.step import Optimisation

_TIMED_STEPS = 6
_MB, _GB = 10**6, 10**9


def training_seconds(group: Group) -> float:
    """Estimated seconds: all steps at the median time of a few, after a warm-up."""
    settings = group[0]
    if not settings.epochs:
        return 0.0
    taken = []
    with compute_threads(settings.threads), matrix_products(settings.precision):
        steps = _alone(settings) if len(group) == 1 else _together(group)
        for _ in range(min(_TIMED_STEPS, settings.total_steps)):
            started = time.perf_counter()
            next(steps)
            taken.append(time.perf_counter() - started)
    return settings.total_steps * median(taken[1:] or taken)


def training_bytes(group: Group) -> int:
    """What the models, their training and their episodes take, beside all programs."""
    episodes = evaluation_bytes(group[0])
    return episodes + (len(group) * member_bytes(group[0]) if group[0].epochs else 0)


def evaluation_bytes(settings: TrainSettings) -> int:
    """What the episodes of validation and test take; the latter twice while drawn."""
    n_episodes = settings.val_episodes + 2 * settings.test_episodes
    of_x = problem(settings).task.dim * torch.float32.itemsize
    return n_episodes * (settings.n_context + 1) * (of_x + torch.int64.itemsize)


def program_bytes() -> int | None:
    """What this process takes with its libraries; None where nobody can tell."""
    if sys.platform == "win32":
        return None
    import resource  # noqa: PLC0415 (not on Windows)

    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def shown_duration(seconds: float) -> str:
    """For people.

    >>> shown_duration(7265), shown_duration(61), shown_duration(0.2)
    ('2 h 1 min', '1 min 1 s', '0 s')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def shown_bytes(number: int) -> str:
    """For people.

    >>> shown_bytes(3_200_000), shown_bytes(1_500_000_000)
    ('3 MB', '1.5 GB')
    """
    return f"{number / _GB:.1f} GB" if number >= _GB else f"{number / _MB:.0f} MB"


def _alone(settings: TrainSettings) -> Iterator[None]:
    """The steps of one model, each waited for."""
    chosen, device = problem(settings), pick_device(settings.device)
    model = initial_model(settings).to(device)
    optimisation = Optimisation(settings, model, chosen.variant.frozen)
    for step in range(settings.total_steps):
        batch = training_batch(settings, chosen, step, device)
        float(optimisation.step(batch).loss)
        yield


def _together(group: Group) -> Iterator[None]:
    """The steps of a stack, each waited for."""
    device = pick_device(group[0].device)
    stack = StackedOptimisation(group, [initial_model(m).to(device) for m in group])
    steps = range(group[0].total_steps)
    with BatchSource(group, device) as source:
        for step, batches in zip(steps, source.batches(steps), strict=True):
            stack.step(batches)
            stack.taken(range(step, step + 1))
            yield
