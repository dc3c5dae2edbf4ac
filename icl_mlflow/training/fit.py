"""Train one model: fresh episodes at each step, best epoch kept, tested at the end."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from icl_mlflow.evaluation import EvaluationSet, evaluation_set, predict, scores
from icl_mlflow.models import Transformer
from icl_mlflow.streams import generator
from icl_mlflow.training.build import Problem, initial_model, problem, training_batch
from icl_mlflow.training.device import compute_threads, matrix_products, pick_device
from icl_mlflow.training.measured import training_metrics, validation_metrics
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.training.step import Optimisation, Step

Weights = dict[str, Tensor]

#: On an accelerator reading a loss waits for the device: done every so many steps.
_ACCELERATOR_CHECK_EVERY = 50


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One line of the history.

    Attributes:
        epoch: from 0.
        metrics: by tracked name: ``train/loss``, ``val/excess_risk``, ``lr``, ...
    """

    epoch: int
    metrics: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Fitted:
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
    model: Transformer
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
) -> Fitted:
    """Train one model; the same settings give the same history, to the bit, on a CPU.

    Args:
        settings: what to train.
        on_step: called after every step.
        on_epoch: called with every finished epoch.

    Raises:
        NonFiniteLossError: as soon as a loss is NaN or infinite.
        ValueError: settings that contradict each other, or a device that is not here.
    """
    device = pick_device(settings.device)
    chosen = problem(settings)
    with compute_threads(settings.threads):
        validation = evaluation_episodes(settings, chosen, "validation")
        model = initial_model(settings).to(device)
        history: list[Epoch] = []
        best_epoch, best_loss, best = None, math.inf, snapshot(model)
        for finished in _epochs(settings, chosen, model, validation, on_step):
            history.append(finished)
            if finished.metrics["val/loss"] < best_loss:
                best_loss = finished.metrics["val/loss"]
                best_epoch, best = finished.epoch, snapshot(model)
            on_epoch(finished)

        model.load_state_dict(best)
        test_set = evaluation_episodes(settings, chosen, "test")
        return tested(
            settings, model, history, best_epoch, validation=validation, test=test_set
        )


def tested(
    settings: TrainSettings,
    model: Transformer,
    history: Sequence[Epoch],
    best_epoch: int | None,
    *,
    validation: EvaluationSet,
    test: EvaluationSet,
) -> Fitted:
    """The end of a training: its model, with the best weights, meets the test set."""
    logit_B = predict(model, test.seen.to(_device_of(model)))
    return Fitted(
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


def snapshot(model: Transformer) -> Weights:
    """A copy of the weights that later steps do not touch."""
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def _device_of(model: Transformer) -> torch.device:
    """Where a model's weights are."""
    return next(model.parameters()).device


class _NonFiniteError(ArithmeticError):
    def __init__(self, step: int) -> None:
        super().__init__(step)
        self.step = step


def _epochs(
    settings: TrainSettings,
    chosen: Problem,
    model: Transformer,
    validation: EvaluationSet,
    on_step: Callable[[], None],
) -> Iterator[Epoch]:
    """Train and validate an epoch at each turn."""
    if not settings.epochs:
        return
    optimisation = Optimisation(settings, model, chosen.variant.frozen)
    finished: list[Epoch] = []
    for epoch in range(settings.epochs):
        last_good = snapshot(model)
        steps = range(
            epoch * settings.steps_per_epoch, (epoch + 1) * settings.steps_per_epoch
        )
        try:
            with matrix_products(settings.precision):
                metrics = _train(settings, chosen, optimisation, steps, on_step)
            metrics |= _validate(model, validation, steps)
        except _NonFiniteError as error:
            raise NonFiniteLossError(
                epoch=epoch,
                step=error.step,
                last_good=last_good,
                history=tuple(finished),
            ) from None
        finished.append(Epoch(epoch=epoch, metrics=metrics))
        yield finished[-1]


def _train(
    settings: TrainSettings,
    chosen: Problem,
    optimisation: Optimisation,
    steps: range,
    on_step: Callable[[], None],
) -> dict[str, float]:
    """The training metrics of one epoch's steps."""
    device = _device_of(optimisation.model)
    check_every = 1 if device.type == "cpu" else _ACCELERATOR_CHECK_EVERY
    taken: list[Step] = []
    started = time.perf_counter()
    for index in steps:
        taken.append(optimisation.step(training_batch(settings, chosen, index, device)))
        is_checked = index % check_every == 0 or index == steps[-1]
        if is_checked and not math.isfinite(taken[-1].loss):
            raise _NonFiniteError(index)
        on_step()
    return training_metrics(
        loss_T=torch.stack([s.loss for s in taken]),
        right_T=torch.stack([s.right for s in taken]),
        gradient_norm_T=torch.stack([s.gradient_norm for s in taken]),
        rate=taken[-1].rate,
        n_episodes=len(steps) * settings.batch_size,
        seconds=time.perf_counter() - started,
    )


def _validate(
    model: Transformer, validation: EvaluationSet, steps: range
) -> dict[str, float]:
    """The validation metrics after these steps."""
    found = validation_metrics(model, validation)
    if not math.isfinite(found["val/loss"]):
        raise _NonFiniteError(steps[-1])
    return found
