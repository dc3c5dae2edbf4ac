"""The state of a training under way: all that its rest depends on."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from icl_mlflow.models import InContextModel
from icl_mlflow.training.checkpoint import Checkpoint, DamagedCheckpointError
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.training.step import Optimisation, Step

Weights = dict[str, Tensor]

#: What reading numbers of the wrong kind raises.
MISREAD = (
    AttributeError,
    KeyError,
    TypeError,
    ValueError,
    OverflowError,
    RuntimeError,
)

_ROW_BY_ROW = torch.contiguous_format


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One line of the history.

    Attributes:
        epoch: from 0.
        metrics: by tracked name: ``train/loss``, ``val/excess_risk``, ``lr``, ...
    """

    epoch: int
    metrics: dict[str, float]


class History:
    """The finished epochs of one model, and its weights after the best and the last.

    Args:
        weights: the initial ones.

    Attributes:
        epochs: in order.
        best: the weights after the best epoch, or the initial ones.
        last_good: the weights after the last epoch, or the initial ones.
    """

    def __init__(self, weights: Weights) -> None:
        self.epochs: list[Epoch] = []
        self.best = self.last_good = weights

    @property
    def best_epoch(self) -> int | None:
        """The first epoch with the lowest validation loss; None before any."""
        return best_epoch(self.epochs)

    def add(self, metrics: dict[str, float], weights: Weights) -> Epoch:
        """Add an epoch that has been validated, with the weights after it."""
        epoch = Epoch(epoch=len(self.epochs), metrics=metrics)
        self.epochs.append(epoch)
        self.last_good = weights
        if self.best_epoch == epoch.epoch:
            self.best = weights
        return epoch


class MemberState:
    """The state of a run: model, optimizer, finished epochs and steps since.

    Batches are addressed by step, so with these and the settings nothing is missing.

    Args:
        settings: of the run.
        optimisation: of a model that has not been trained yet.

    Attributes:
        optimisation: the model and what moves it.
        history: the finished epochs, with the best and the last weights.
        taken: the steps of the unfinished epoch.
        seconds: that they took.
        threads: that computed them from the beginning.
        is_whole: no change was cut off in the middle, so this can be kept.
    """

    def __init__(self, settings: TrainSettings, optimisation: Optimisation) -> None:
        self.optimisation = optimisation
        self.history = History(snapshot(optimisation.model))
        self.taken: list[Step] = []
        self.seconds = 0.0
        self.threads = torch.get_num_threads()
        self.is_whole = True
        self._settings = settings

    @property
    def step(self) -> int:
        """How many steps have been taken."""
        finished = len(self.history.epochs) * self._settings.steps_per_epoch
        return finished + len(self.taken)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Mark a change that must be finished before the state can be kept."""
        self.is_whole = False
        yield
        self.is_whole = True

    def finish_epoch(self, metrics: dict[str, float]) -> None:
        """Add the epoch under way to the history, now that it has been validated."""
        self.history.add(metrics, snapshot(self.optimisation.model))
        self.taken, self.seconds = [], 0.0

    def checkpoint(self) -> Checkpoint:
        """The whole state as a checkpoint, to be written."""
        facts = {
            "history": [epoch.metrics for epoch in self.history.epochs],
            "taken": [
                [float(s.loss), int(s.right), float(s.gradient_norm), s.rate]
                for s in self.taken
            ],
            "seconds": self.seconds,
            "threads": self.threads,
        }
        return Checkpoint(step=self.step, tensors=self._tensors(), facts=facts)

    def restore(self, kept: Checkpoint) -> None:
        """Take over the state that a checkpoint holds.

        Raises:
            DamagedCheckpointError: it is no checkpoint of such a run; nothing has
                changed then.
        """
        _check_tensors(kept.tensors, self._tensors())
        model = self.optimisation.model
        device = model.device
        try:
            history, taken, seconds = _read_facts(kept.facts, device)
            # Checkpoints of earlier versions do not say it.
            threads = int(kept.facts.get("threads", self.threads))
            best_epoch(history)
        except MISREAD as error:
            raise DamagedCheckpointError("it does not say how far it is") from error
        step = len(history) * self._settings.steps_per_epoch + len(taken)
        if step != kept.step or step > self._settings.total_steps:
            raise DamagedCheckpointError(f"it is of step {step}, not {kept.step}")

        self.history.epochs, self.taken, self.seconds = history, taken, seconds
        self.threads = max(1, threads)
        self.history.best = _below("best", kept.tensors, device)
        self.history.last_good = _below("last_good", kept.tensors, device)
        model.load_state_dict(_below("model", kept.tensors, device))
        self.optimisation.restore(_below("adamw", kept.tensors, device), step)

    def _tensors(self) -> dict[str, Tensor]:
        parts = {
            "model": self.optimisation.model.state_dict(),
            "best": self.history.best,
            "last_good": self.history.last_good,
            "adamw": self.optimisation.moments(),
        }
        # Copies: safetensors takes no two tensors that share memory.
        return {
            f"{part}/{name}": value.detach().clone(memory_format=_ROW_BY_ROW).cpu()
            for part, values in parts.items()
            for name, value in values.items()
        }


def snapshot(model: InContextModel) -> Weights:
    """A copy of the weights that later steps do not touch."""
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def _below(
    part: str, tensors: Mapping[str, Tensor], device: torch.device
) -> dict[str, Tensor]:
    """The tensors of one part, by their names within it."""
    prefix = f"{part}/"
    return {
        name.removeprefix(prefix): value.to(device)
        for name, value in tensors.items()
        if name.startswith(prefix)
    }


def _check_tensors(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    if found.keys() != wanted.keys():
        names = ", ".join(sorted(found.keys() ^ wanted.keys())[:3])
        raise DamagedCheckpointError(f"it lacks, or has too many of: {names}")
    for name, value in wanted.items():
        if found[name].shape != value.shape or found[name].dtype != value.dtype:
            raise DamagedCheckpointError(f"{name} has another shape or type")


def _read_facts(
    facts: Mapping[str, Any], device: torch.device
) -> tuple[list[Epoch], list[Step], float]:
    history = epochs_of(facts["history"])
    taken = [
        Step(
            loss=torch.tensor(float(loss), device=device),
            right=torch.tensor(int(right), device=device),
            gradient_norm=torch.tensor(float(norm), device=device),
            rate=float(rate),
        )
        for loss, right, norm, rate in facts["taken"]
    ]
    return history, taken, float(facts["seconds"])


def epochs_of(kept: Iterable[Mapping[str, Any]]) -> list[Epoch]:
    """The finished epochs, from the metrics that a checkpoint holds."""
    return [
        Epoch(
            epoch=number,
            metrics={str(name): float(value) for name, value in metrics.items()},
        )
        for number, metrics in enumerate(kept)
    ]


def best_epoch(history: Sequence[Epoch]) -> int | None:
    """The first epoch with the lowest validation loss."""
    losses = [epoch.metrics["val/loss"] for epoch in history]
    return losses.index(min(losses)) if losses else None
