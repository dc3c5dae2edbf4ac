"""The research notebook's own functions as pieces of work, where it is at hand.

They run unchanged, at the only size that the notebook has.
"""

import os
import runpy
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.speed.loops.textbook import recipe
from benchmarks.speed.phases import repeat_draws, repeat_steps
from benchmarks.speed.timing import Meter

#: The environment variable that names the notebook's file, to child processes too.
VARIABLE = "ICL_MLFLOW_NOTEBOOK"


def place() -> Path | None:
    """The notebook's file; None where nobody names one."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else None


def steps(meter: Meter) -> None:
    """Training on task A, phase by phase."""
    names = _names()
    model = _model(names)
    optimizer, schedule = recipe(model)
    loss = nn.BCEWithLogitsLoss()
    batches = _for_ever(names["train_loader_A"])

    def step(batch: Any) -> None:
        names["train_step"](model, batch, optimizer, loss, schedule)

    repeat_steps(meter, lambda: next(batches), step)


def evaluation(meter: Meter) -> None:
    """An evaluation: its loader draws the episodes anew each time."""
    names = _names()
    model = _model(names)
    meter.repeat(lambda: names["run_epoch"](model, names["val_loader_A"]))


def loader(tasks: Sequence[str], meter: Meter) -> None:
    """A batch of each task as its training gets it, each a phase."""
    names = _names()
    batches = {task: _for_ever(names[f"train_loader_{task}"]) for task in tasks}
    repeat_draws(meter, {task: partial(next, each) for task, each in batches.items()})


def sampler(tasks: Sequence[str], meter: Meter) -> None:
    """The episodes of a batch of each task, before they become tensors."""
    names = _names()
    config, size = names["data_cfg"], names["train_cfg"].batch_size
    given = {
        "A": {"sigma_k": config.sigma_k},
        "B": {"sigma_min": config.sigma_min, "sigma_max": config.sigma_max},
    }

    def draw(task: str) -> None:
        latents = names[f"sample_task_{task}_params"]
        points = names[f"sample_task_{task}_data"]
        for _ in range(size):
            names["make_episode"](
                latents, points, config.n_ctx, config.d, **given[task]
            )

    repeat_draws(meter, {task: partial(draw, task) for task in tasks})


def _names() -> dict[str, Any]:
    """What the notebook defines."""
    found: dict[str, Any] = runpy.run_path(os.environ[VARIABLE])["load"]()
    return found


def _model(names: dict[str, Any]) -> nn.Module:
    config = names["data_cfg"]
    model: nn.Module = names["ICLTransformer"](d_in=config.d, n_ctx=config.n_ctx)
    return model


def _for_ever(loader: torch.utils.data.DataLoader[Any]) -> Iterator[Any]:
    """Its batches, epoch after epoch."""
    while True:
        yield from loader
