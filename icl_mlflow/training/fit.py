"""Train one model: fresh episodes at each step, best epoch kept, tested at the end."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from icl_mlflow.evaluation import EvaluationSet, evaluation_set, predict, scores
from icl_mlflow.models import InContextModel
from icl_mlflow.streams import generator
from icl_mlflow.training.checkpoint import CheckpointNotWrittenError, Checkpoints
from icl_mlflow.training.compute.device import (
    compute_threads,
    matrix_products,
    pick_device,
)
from icl_mlflow.training.compute.training_thread import TrainingThread
from icl_mlflow.training.member_state import Epoch, MemberState, Weights
from icl_mlflow.training.metrics import training_metrics, validation_metrics
from icl_mlflow.training.problem import Problem, initial_model, problem, training_batch
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.training.step import Optimisation, Slope

__all__ = ["Epoch", "FittedModel", "NonFiniteLossError", "evaluation_episodes", "fit"]

#: On an accelerator reading a loss waits for the device: done every so many steps.
_ACCELERATOR_CHECK_EVERY = 50


@dataclass(frozen=True, kw_only=True)
class FittedModel:
    """A trained model and how it came about.

    Attributes:
        settings: what was asked for.
        model: with the weights of the best epoch, in evaluation mode, on the CPU.
        history: one entry an epoch.
        best_epoch: the epoch with the lowest validation loss; None without training.
        test: final metrics by tracked name: ``test/loss``, ``test/accuracy``, ...
        test_set: the episodes behind them.
        validation_set: the episodes that the best epoch was chosen on.
        test_logit_B: the model's log-odds on them, float64, nats.
    """

    settings: TrainSettings
    model: InContextModel
    history: tuple[Epoch, ...]
    best_epoch: int | None
    test: dict[str, float]
    test_set: EvaluationSet
    validation_set: EvaluationSet
    test_logit_B: Tensor


class NonFiniteLossError(ArithmeticError):
    """The training or the validation loss became NaN or infinite.

    Attributes:
        epoch: where it happened, from 0.
        step: the step whose loss it was, or which the validation came after, counted
            over the whole run.
        last_good: the weights at the end of the last finished epoch.
        history: the finished epochs.
    """

    def __init__(
        self, *, epoch: int, step: int, last_good: Weights, history: tuple[Epoch, ...]
    ) -> None:
        super().__init__(
            f"the loss is not finite at epoch {epoch}, step {step}; "
            "try a lower lr or clip_norm"
        )
        self.epoch = epoch
        self.step = step
        self.last_good = last_good
        self.history = history


def fit(
    settings: TrainSettings,
    *,
    on_step: Callable[[], None] = lambda: None,
    on_epoch: Callable[[Epoch], None] = lambda _: None,
    on_weights: Callable[[Epoch, Weights], None] = lambda _epoch, _weights: None,
    checkpoints: Path | None = None,
    uninterrupted: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> FittedModel:
    """Train one model; the same settings give the same history, to the bit, on a CPU.

    So they do when training was cut off and is taken up again with ``checkpoints``.

    Args:
        settings: what to train.
        on_step: called after every step; for those of an earlier call, at the start.
        on_epoch: called with every finished epoch; with those of an earlier call, at
            the start.
        on_weights: called after ``on_epoch`` with the weights after that epoch; of the
            epochs of an earlier call, with those of the last one.
        checkpoints: the run's folder for them. Training goes on from the newest one
            that is whole, and leaves one after every epoch, and where KeyboardInterrupt
            or SystemExit ends it.
        uninterrupted: holds these two back until its block is left, for what must not
            be cut off in the middle. Without it, an epoch that they end may be lost.

    Raises:
        NonFiniteLossError: as soon as a loss is NaN or infinite.
        CheckpointNotWrittenError: the disk is full.
        ValueError: settings that contradict each other, a device that is not here, or
            checkpoints of other settings.
    """
    device = pick_device(settings.device)
    chosen = problem(settings)
    history: tuple[Epoch, ...] = ()
    best_epoch = None
    with compute_threads(settings.threads) as take, TrainingThread() as aside:
        validation = aside(evaluation_episodes, settings, chosen, "validation")
        elsewhere = {
            name: aside(evaluation_episodes, settings, there, "validation")
            for name, there in chosen.elsewhere.items()
        }
        model = aside(initial_model, settings).to(device)
        if settings.epochs:
            frozen = chosen.variant.frozen
            optimisation = aside(Optimisation, settings, model, frozen)
            training = _Training(
                settings=settings,
                chosen=chosen,
                validation=validation,
                elsewhere=elsewhere,
                progress=aside(MemberState, settings, optimisation),
                on_step=on_step,
                on_epoch=on_epoch,
                on_weights=on_weights,
                uninterrupted=uninterrupted,
                aside=aside,
            )
            training.run(checkpoints, take)
            kept = training.progress.history
            history, best_epoch = tuple(kept.epochs), kept.best_epoch
            aside(model.load_state_dict, kept.best)
        test_set = aside(evaluation_episodes, settings, chosen, "test")
        return aside(
            tested,
            settings,
            model,
            history,
            best_epoch,
            validation=validation,
            test=test_set,
        )


def tested(
    settings: TrainSettings,
    model: InContextModel,
    history: Sequence[Epoch],
    best_epoch: int | None,
    *,
    validation: EvaluationSet,
    test: EvaluationSet,
) -> FittedModel:
    """The end of a training: its model, with the best weights, meets the test set."""
    logit_B = predict(model, test.seen.to(model.device))
    # Training has made the parameters views of one row, all of which each would pickle.
    for parameter in model.parameters():
        parameter.data = parameter.data.clone()
    return FittedModel(
        settings=settings,
        model=model.cpu().eval(),
        history=tuple(history),
        best_epoch=best_epoch,
        test={f"test/{name}": value for name, value in scores(logit_B, test).items()},
        test_set=test,
        validation_set=validation,
        test_logit_B=logit_B,
    )


def evaluation_episodes(
    settings: TrainSettings, chosen: Problem, stream: str
) -> EvaluationSet:
    """The fixed validation or test set: the same for every seed and every call."""
    n_episodes = {"validation": settings.val_episodes, "test": settings.test_episodes}
    seed = settings.eval_seed
    episodes = chosen.task.sample(
        n_episodes[stream], chosen.n_context, seed=seed, stream=stream
    )
    seen = chosen.variant.on_eval(episodes, generator(seed, f"{stream} intervention"))
    return evaluation_set(chosen.task, episodes, seen)


class _NonFiniteError(ArithmeticError):
    def __init__(self, step: int) -> None:
        super().__init__(step)
        self.step = step


@dataclass(frozen=True, kw_only=True)
class _Training:
    """A run under way and what goes with it; the attributes are those of `fit`.

    Attributes:
        aside: computes all that takes long.
    """

    settings: TrainSettings
    chosen: Problem
    validation: EvaluationSet
    elsewhere: Mapping[str, EvaluationSet]
    progress: MemberState
    on_step: Callable[[], None]
    on_epoch: Callable[[Epoch], None]
    on_weights: Callable[[Epoch, Weights], None]
    uninterrupted: Callable[[], AbstractContextManager[None]]
    aside: TrainingThread

    def run(self, folder: Path | None, take: Callable[[int], None]) -> None:
        """Train from the newest checkpoint, or from the start, to the end.

        With as many threads as it was begun with, which ``take`` provides: their number
        decides how sums are rounded.
        """
        if folder is None:
            self._epochs(save=lambda: None)
            return
        checkpoints = Checkpoints(folder, self.settings.identity)
        self.aside(checkpoints.newest, self.progress.restore)
        if not self.settings.threads:
            take(self.progress.threads)
            self.aside(torch.set_num_threads, self.progress.threads)

        def save() -> None:
            checkpoints.write(self.progress.checkpoint())

        try:
            self._epochs(save)
        except (KeyboardInterrupt, SystemExit):
            if self.progress.is_whole:
                # That someone ends it matters more than a disk that is full by then.
                with self.uninterrupted(), suppress(CheckpointNotWrittenError):
                    save()
            raise

    def _epochs(self, save: Callable[[], None]) -> None:
        progress = self.progress
        for _ in range(progress.step):
            self.on_step()
        for earlier in tuple(progress.history.epochs):
            self.on_epoch(earlier)
        self._tell_weights()
        while len(progress.history.epochs) < self.settings.epochs:
            try:
                with matrix_products(self.settings.precision):
                    metrics = self._train()
                metrics |= self._validate()
            except _NonFiniteError as error:
                raise NonFiniteLossError(
                    epoch=len(progress.history.epochs),
                    step=error.step,
                    last_good=progress.history.last_good,
                    history=tuple(progress.history.epochs),
                ) from None
            with self.uninterrupted(), progress.changing():
                self.aside(progress.finish_epoch, metrics)
                self.aside(save)
            # Told only what is kept, so that it never hears two versions of an epoch.
            self.on_epoch(progress.history.epochs[-1])
            self._tell_weights()

    def _tell_weights(self) -> None:
        history = self.progress.history
        if history.epochs:
            self.on_weights(history.epochs[-1], history.last_good)

    def _train(self) -> dict[str, float]:
        """Take the steps that the epoch still lacks; its training metrics."""
        settings, progress = self.settings, self.progress
        device = progress.optimisation.model.device
        check_every = 1 if device.type == "cpu" else _ACCELERATOR_CHECK_EVERY
        end = (len(progress.history.epochs) + 1) * settings.steps_per_epoch
        started = time.perf_counter() - progress.seconds
        for index in range(progress.step, end):
            slope = self.aside(self._differentiate, index)
            with self.uninterrupted(), progress.changing():
                progress.taken.append(self.aside(progress.optimisation.move, slope))
                is_checked = index % check_every == 0 or index == end - 1
                if is_checked and not math.isfinite(progress.taken[-1].loss):
                    raise _NonFiniteError(index)
                progress.seconds = time.perf_counter() - started
            self.on_step()
        taken = progress.taken
        return training_metrics(
            loss_T=torch.stack([s.loss for s in taken]),
            right_T=torch.stack([s.right for s in taken]),
            gradient_norm_T=torch.stack([s.gradient_norm for s in taken]),
            rate=taken[-1].rate,
            n_episodes=len(taken) * settings.batch_size,
            n_answers=settings.answers(range(end - len(taken), end)),
            seconds=progress.seconds,
        )

    def _differentiate(self, index: int) -> Slope:
        """The gradient of one step, which changes nothing that is kept."""
        optimisation = self.progress.optimisation
        batch = training_batch(
            self.settings, self.chosen, index, optimisation.model.device
        )
        return optimisation.differentiate(batch)

    def _validate(self) -> dict[str, float]:
        """The validation metrics after the steps of the epoch."""
        model = self.progress.optimisation.model
        found = self.aside(validation_metrics, model, self.validation, self.elsewhere)
        if not math.isfinite(found["val/loss"]):
            raise _NonFiniteError(self.progress.step - 1)
        return found
