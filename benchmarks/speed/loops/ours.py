"""What this package does, as pieces of work: a step, an evaluation, a batch."""

from collections.abc import Sequence
from functools import partial

import torch

from benchmarks.speed.phases import repeat_draws, repeat_steps
from benchmarks.speed.timing import Meter
from icl_mlflow.evaluation import evaluation_set, predict, scores
from icl_mlflow.tasks import TASKS
from icl_mlflow.training.compute.device import compute_threads
from icl_mlflow.training.problem import (
    Batch,
    initial_model,
    problem,
    training_batch,
)
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.training.step import Optimisation


class Steps:
    """The steps of `icl_mlflow.training.fit`, one at a time."""

    def __init__(self, settings: TrainSettings) -> None:
        self._settings = settings
        self._problem = problem(settings)
        self._optimisation = Optimisation(
            settings, initial_model(settings), self._problem.variant.frozen
        )
        self._next = 0

    def draw(self) -> Batch:
        """The next step's batch."""
        batch = training_batch(self._settings, self._problem, self._next, "cpu")
        self._next += 1
        return batch

    def step(self, batch: Batch) -> bool:
        """Move the weights; whether the loss is finite, which `fit` asks every time."""
        return bool(self._optimisation.step(batch).loss.isfinite())

    def weights(self) -> torch.Tensor:
        """A copy of all of them, one after the other."""
        parameters = self._optimisation.model.parameters()
        return torch.cat([value.detach().flatten() for value in parameters])


def steps(settings: TrainSettings, meter: Meter) -> None:
    """Training, phase by phase, on one thread."""
    with compute_threads(1):
        own = Steps(settings)
        repeat_steps(meter, own.draw, own.step)


def steps_in_threads(settings: TrainSettings, threads: int, meter: Meter) -> None:
    """Training on so many threads that heed the neighbours; 0 for one a core."""
    with compute_threads(threads):
        own = Steps(settings)
        meter.repeat(lambda: own.step(own.draw()))


def steps_as_torch_comes(settings: TrainSettings, threads: int, meter: Meter) -> None:
    """Training on so many threads that heed nobody."""
    with compute_threads(1):  # nobody to heed, and our allocator
        torch.set_num_threads(threads)
        own = Steps(settings)
        meter.repeat(lambda: own.step(own.draw()))


def growth(shapes: Sequence[tuple[str, TrainSettings, int]], meter: Meter) -> None:
    """Steps at many shapes, each a phase: its name, its settings, its steps a piece."""
    with compute_threads(1):
        running = [(name, Steps(settings), n) for name, settings, n in shapes]

        def piece() -> None:
            for name, own, n_steps in running:
                for _ in range(n_steps):
                    own.step(own.draw())
                meter.mark(name, n_steps)

        meter.repeat(piece)


def evaluation(settings: TrainSettings, meter: Meter) -> None:
    """An evaluation from the drawing of its episodes to the scores, in phases."""
    with compute_threads(1):
        task, model = problem(settings).task, initial_model(settings)
        count, n_context = settings.val_episodes, settings.n_context

        def piece() -> None:
            episodes = task.sample(count, n_context, stream="validation")
            meter.mark("draw")
            truth = evaluation_set(task, episodes)
            meter.mark("exact answers")
            logit_B = predict(model, truth.seen)
            meter.mark("predict")
            scores(logit_B, truth)
            meter.mark("scores")

        meter.repeat(piece)


def sampler(settings: TrainSettings, tasks: Sequence[str], meter: Meter) -> None:
    """A batch of each task, each a phase."""
    with compute_threads(1):
        size = (settings.batch_size, settings.n_context)
        repeat_draws(meter, {t: partial(TASKS[t].sample, *size) for t in tasks})


def normals(settings: TrainSettings, tasks: Sequence[str], meter: Meter) -> None:
    """The random numbers of a batch's points, and nothing else."""
    shape = (settings.batch_size, settings.n_context + 1, settings.dim)
    rng = torch.Generator().manual_seed(0)
    with compute_threads(1):
        draw = partial(torch.randn, shape, generator=rng)
        repeat_draws(meter, dict.fromkeys(tasks, draw))
