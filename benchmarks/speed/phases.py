"""The phases of a training step, whoever's step it is: data, forward, backward, rest.

Every way to a gradient leads through `torch.autograd.backward`; what comes before it in
a step is the forward pass and the loss, what comes after it the optimiser. Batches that
are only drawn have a phase a task.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import NoReturn, TypeVar
from unittest.mock import patch

import torch

from benchmarks.speed.timing import Meter

T = TypeVar("T")

#: In their order within a step; the last one clips, moves the weights and the rate.
PHASES = ("data", "forward", "backward", "optimiser")

#: A batch is drawn in a fifth of a millisecond; a mark would be a fortieth of that.
_DRAWS_A_MARK = 10


def repeat_steps(
    meter: Meter, draw: Callable[[], T], step: Callable[[T], object]
) -> NoReturn:
    """Draw a batch and take a step on it, for ever, phase by phase."""

    def piece() -> None:
        batch = draw()
        meter.mark("data")
        step(batch)
        meter.mark("optimiser")

    with _backward_marked(meter):
        meter.repeat(piece)


def repeat_draws(meter: Meter, draws: Mapping[str, Callable[[], object]]) -> NoReturn:
    """Draw batches of each task in turn, for ever; a task is a phase."""

    def piece() -> None:
        for task, draw in draws.items():
            for _ in range(_DRAWS_A_MARK):
                draw()
            meter.mark(task, _DRAWS_A_MARK)

    meter.repeat(piece)


@contextlib.contextmanager
def _backward_marked(meter: Meter) -> Iterator[None]:
    plain = torch.autograd.backward

    def marked(*args: object, **kwargs: object) -> None:
        meter.mark("forward")
        plain(*args, **kwargs)  # type: ignore[arg-type]
        meter.mark("backward")

    with patch.object(torch.autograd, "backward", marked):
        yield
