"""Train many models of one shape in lock-step: what `fit` does, for all at once.

Each model sees its own stream of episodes, by its own variant and seed, is validated on
its own set and keeps its own best epoch. A model whose loss is no longer finite fails
alone. On CUDA nothing waits for the device within an epoch.
"""

import math
import time
from collections.abc import Callable, Hashable, Sequence

from icl_mlflow.evaluation import EvaluationSet
from icl_mlflow.training.build import (
    Batch,
    Problem,
    initial_model,
    problem,
    training_batch,
)
from icl_mlflow.training.device import compute_threads, matrix_products, pick_device
from icl_mlflow.training.fit import (
    Epoch,
    Fitted,
    NonFiniteLossError,
    evaluation_episodes,
    tested,
)
from icl_mlflow.training.measured import training_metrics, validation_metrics
from icl_mlflow.training.progress import best_epoch
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.training.stacked_step import StackedOptimisation, Taken
from icl_mlflow.training.stacks import check_stackable

#: How a model of a stack ended.
Ended = Fitted | NonFiniteLossError


def fit_stacked(
    members: Sequence[TrainSettings],
    *,
    on_step: Callable[[], None] = lambda: None,
    on_epoch: Callable[[int, Epoch], None] = lambda _index, _epoch: None,
    on_end: Callable[[int, Ended], None] = lambda _index, _ended: None,
) -> list[Ended]:
    """Train all members at once; how each ended, in order.

    The numbers are those of `fit` but for rounding: the products of a stack may be
    summed in another order.

    Args:
        members: that can be stacked (`icl_mlflow.training.stacks`).
        on_step: called after every step of the stack.
        on_epoch: called with the index of a member and each of its finished epochs.
        on_end: called with the index of a member and how it ended, as soon as it has.

    Raises:
        ValueError: members that cannot be stacked, or a device that is not here.
    """
    check_stackable(members)
    shared = members[0]
    device = pick_device(shared.device)
    with compute_threads(shared.threads):
        models = [initial_model(settings).to(device) for settings in members]
        stack = StackedOptimisation(members, models)
        sets = _EvaluationSets()
        training = [
            _Member(settings, index, stack, sets)
            for index, settings in enumerate(members)
        ]
        ended: dict[int, Ended] = {}
        for epoch in range(shared.epochs):
            steps = range(
                epoch * shared.steps_per_epoch, (epoch + 1) * shared.steps_per_epoch
            )
            started = time.perf_counter()
            with matrix_products(shared.precision):
                for step in steps:
                    stack.step([member.batch(step) for member in training])
                    on_step()
            taken = stack.taken(steps)  # waits for the device
            seconds = time.perf_counter() - started
            for index, member in enumerate(training):
                if index in ended:
                    continue
                try:
                    finished = member.finish_epoch(epoch, taken, seconds)
                except NonFiniteLossError as error:
                    ended[index] = error
                    on_end(index, error)
                else:
                    on_epoch(index, finished)
        for index, member in enumerate(training):
            if index not in ended:
                ended[index] = member.fitted()
                on_end(index, ended[index])
    return [ended[index] for index in range(len(members))]


class _Member:
    """One model of a stack: what it sees, its history, and its best weights.

    Args:
        settings: what it is.
        index: its place in the stack.
        stack: that moves it.
        sets: where its evaluation episodes are.
    """

    def __init__(
        self,
        settings: TrainSettings,
        index: int,
        stack: StackedOptimisation,
        sets: "_EvaluationSets",
    ) -> None:
        self._settings, self._index, self._stack = settings, index, stack
        self._chosen = problem(settings)
        self._sets = sets
        self._validation = sets.of(settings, self._chosen, "validation")
        self._history: list[Epoch] = []
        self._best = self._last_good = stack.weights(index)

    def batch(self, step: int) -> Batch:
        """The episodes of one step, drawn where the stack is."""
        return training_batch(self._settings, self._chosen, step, self._stack.device)

    def finish_epoch(self, epoch: int, taken: Taken, seconds: float) -> Epoch:
        """Validate what the steps of an epoch have made of the model.

        Raises:
            NonFiniteLossError: a loss of the epoch is NaN or infinite.
        """
        loss_T = taken.loss_TR[:, self._index]
        bad = (~loss_T.isfinite()).nonzero()
        if len(bad):
            raise self._failure(epoch, taken.steps[int(bad[0])])
        metrics = training_metrics(
            loss_T=loss_T,
            right_T=taken.right_TR[:, self._index],
            gradient_norm_T=taken.gradient_norm_TR[:, self._index],
            rate=float(taken.rate_TR[-1, self._index]),
            n_episodes=len(loss_T) * self._settings.batch_size,
            n_answers=self._settings.answers(taken.steps),
            seconds=seconds,
        )
        model = self._stack.model(self._index)
        metrics |= validation_metrics(model, self._validation)
        if not math.isfinite(metrics["val/loss"]):
            raise self._failure(epoch, taken.steps[-1])
        self._last_good = self._stack.weights(self._index)
        self._history.append(Epoch(epoch=epoch, metrics=metrics))
        if best_epoch(self._history) == epoch:
            self._best = self._last_good
        return self._history[-1]

    def fitted(self) -> Fitted:
        """The end of the training, with the weights of the best epoch."""
        model = self._stack.model(self._index)
        model.load_state_dict(self._best)
        return tested(
            self._settings,
            model,
            self._history,
            best_epoch(self._history),
            validation=self._validation,
            test=self._sets.of(self._settings, self._chosen, "test"),
        )

    def _failure(self, epoch: int, step: int) -> NonFiniteLossError:
        return NonFiniteLossError(
            epoch=epoch,
            step=step,
            last_good=self._last_good,
            history=tuple(self._history),
        )


class _EvaluationSets:
    """Evaluation episodes, drawn and answered once for all members that share them."""

    def __init__(self) -> None:
        self._known: dict[Hashable, EvaluationSet] = {}

    def of(
        self, settings: TrainSettings, chosen: Problem, stream: str
    ) -> EvaluationSet:
        key = (
            *(chosen.task, chosen.n_context, chosen.variant.on_eval, stream),
            *(settings.eval_seed, settings.val_episodes, settings.test_episodes),
        )
        if key not in self._known:
            self._known[key] = evaluation_episodes(settings, chosen, stream)
        return self._known[key]
