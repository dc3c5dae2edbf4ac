"""Train many models of one shape in lock-step: what `fit` does, for all at once.

Each model sees its own stream of episodes, by its own variant and seed, is validated on
its own set and keeps its own best epoch. A model whose loss is no longer finite fails
alone. On CUDA nothing waits for the device within an epoch. A stack that was cut off
goes on after its last epoch.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from icl_mlflow.training.compute.device import (
    compute_threads,
    matrix_products,
    pick_device,
)
from icl_mlflow.training.fit import (
    Epoch,
    FittedModel,
    NonFiniteLossError,
    tested,
)
from icl_mlflow.training.member_state import History, Weights
from icl_mlflow.training.metrics import training_metrics, validation_metrics
from icl_mlflow.training.problem import initial_model, problem
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.training.stacked.checkpoint import Keeper, Keeping, StackState, newest
from icl_mlflow.training.stacked.drawing import BatchSource
from icl_mlflow.training.stacked.evaluation_sets import EvaluationSets
from icl_mlflow.training.stacked.planning import check_stackable
from icl_mlflow.training.stacked.step import StackedOptimisation, Taken

#: How a model of a stack ended.
Ended = FittedModel | NonFiniteLossError
#: Called with the index of a member, an epoch, and the weights after it.
OnWeights = Callable[[int, Epoch, Weights], None]


def fit_stacked(
    members: Sequence[TrainSettings],
    *,
    keeping: Keeping | None = None,
    on_step: Callable[[], None] = lambda: None,
    on_epoch: Callable[[int, Epoch], None] = lambda _index, _epoch: None,
    on_weights: OnWeights = lambda _index, _epoch, _weights: None,
    on_end: Callable[[int, Ended], None] = lambda _index, _ended: None,
) -> list[Ended]:
    """Train all members at once; how each ended, in order.

    The numbers are those of `fit` but for rounding: the products of a stack may be
    summed in another order.

    Args:
        members: that can be stacked (`icl_mlflow.training.stacked.planning`).
        keeping: where checkpoints are kept, one after every epoch, and where training
            goes on from; None for nowhere.
        on_step: called after every step of the stack; for those of an earlier call, at
            the start.
        on_epoch: called with the index of a member and each of its finished epochs;
            with those of an earlier call, at the start.
        on_weights: called after ``on_epoch``, also with the member's weights after that
            epoch; of the epochs of an earlier call, with those of the last one.
        on_end: called with the index of a member and how it ended, as soon as it has.

    Raises:
        ValueError: members that cannot be stacked, or a device that is not here.
        CheckpointNotWrittenError: the disk is full.
    """
    check_stackable(members)
    device = pick_device(members[0].device)
    with (
        compute_threads(members[0].threads),
        Keeper(keeping) as keeper,
        BatchSource(members, device) as source,
    ):
        training = _Stack(
            members,
            device,
            source=source,
            keeper=keeper,
            on_step=on_step,
            on_epoch=on_epoch,
            on_weights=on_weights,
            on_end=on_end,
        )
        training.go_on()
        training.train()
        return training.finish()


class _Stack:
    """A stack under way; the other arguments are those of `fit_stacked`.

    Args:
        device: where it trains.
        source: of its batches.
        keeper: keeps its checkpoints, and knows those to go on from.
    """

    def __init__(
        self,
        members: Sequence[TrainSettings],
        device: torch.device,
        *,
        source: BatchSource,
        keeper: Keeper,
        on_step: Callable[[], None],
        on_epoch: Callable[[int, Epoch], None],
        on_weights: OnWeights,
        on_end: Callable[[int, Ended], None],
    ) -> None:
        self._settings = members[0]
        self._identities = [settings.identity for settings in members]
        self._source, self._keeper = source, keeper
        self._on_step, self._on_epoch, self._on_end = on_step, on_epoch, on_end
        self._on_weights = on_weights
        models = [initial_model(settings).to(device) for settings in members]
        self._stack = StackedOptimisation(members, models)
        sets = EvaluationSets()
        self._members = [
            _Member(settings, index, self._stack, sets)
            for index, settings in enumerate(members)
        ]
        self._ended: dict[int, Ended] = {}
        self._n_epochs = 0

    def go_on(self) -> None:
        """Become what an earlier call has kept of these members, if it has."""
        source, length = self._keeper.source, self._settings.steps_per_epoch
        if source is None:
            return
        state = newest(source, self._identities, self._stack.n_entries, length)
        if state is None:
            return
        self._stack.restore(state.parts, state.step)
        self._n_epochs = state.step // length
        for index, member in enumerate(self._members):
            member.restore(state.histories[index], state.parts["best"][index])
        self._keep({})
        self._keeper.wait()  # kept by this call, before the other folder is given up
        for _ in range(state.step):
            self._on_step()
        for index, history in enumerate(state.histories):
            for epoch in history:
                self._on_epoch(index, epoch)
            self._on_weights(index, history[-1], self._members[index].history.last_good)

    def train(self) -> None:
        """Train the epochs that are left."""
        length, total = self._settings.steps_per_epoch, self._settings.total_steps
        batches = self._source.batches(range(self._n_epochs * length, total))
        for epoch in range(self._n_epochs, self._settings.epochs):
            started = time.perf_counter()
            steps = range(epoch * length, (epoch + 1) * length)
            with matrix_products(self._settings.precision):
                for _ in steps:
                    self._stack.step(next(batches))
                    self._on_step()
                    self._keeper.look()
            taken = self._stack.taken(steps)  # waits for the device
            self._keeper.wait()  # no end of a member is heard before its epochs
            finished = self._validate(epoch, taken, time.perf_counter() - started)
            self._n_epochs += 1
            # Told only what is kept, so that nobody hears two versions of an epoch.
            self._keep(finished)
        self._keeper.wait()

    def finish(self) -> list[Ended]:
        """Test every member that is still there."""
        for index, member in enumerate(self._members):
            if index not in self._ended:
                self._end(index, member.fitted())
        return [self._ended[index] for index in range(len(self._members))]

    def _validate(self, epoch: int, taken: Taken, seconds: float) -> dict[int, Epoch]:
        """The epoch of every member that has come through it."""
        finished = {}
        for index, member in enumerate(self._members):
            if index in self._ended:
                continue
            try:
                finished[index] = member.finish_epoch(epoch, taken, seconds)
            except NonFiniteLossError as error:
                self._end(index, error)
        return finished

    def _end(self, index: int, ended: Ended) -> None:
        self._ended[index] = ended
        self._on_end(index, ended)

    def _keep(self, finished: Mapping[int, Epoch]) -> None:
        """Keep the members that are still there; once they are, tell their epochs."""
        weights = {i: self._members[i].history.last_good for i in finished}

        def tell() -> None:
            for index, epoch in finished.items():
                self._on_epoch(index, epoch)
                self._on_weights(index, epoch, weights[index])

        left = [i for i in range(len(self._members)) if i not in self._ended]
        if not left:
            return
        best = [self._members[index].best_P for index in left]
        state = StackState(
            step=self._n_epochs * self._settings.steps_per_epoch,
            parts=self._stack.kept(left) | {"best": torch.stack(best).cpu()},
            histories=tuple(
                tuple(self._members[index].history.epochs) for index in left
            ),
        )
        self._keeper.keep([self._identities[index] for index in left], state, tell)


class _Member:
    """One model of a stack: what it sees, its history, and its best weights.

    Args:
        settings: what it is.
        index: its place in the stack.
        stack: that moves it.
        sets: where its evaluation episodes are.

    Attributes:
        history: its finished epochs, with the best and the last weights.
    """

    def __init__(
        self,
        settings: TrainSettings,
        index: int,
        stack: StackedOptimisation,
        sets: EvaluationSets,
    ) -> None:
        self._settings, self._index, self._stack = settings, index, stack
        self._chosen = problem(settings)
        self._sets = sets
        self._validation = sets.of(settings, self._chosen, "validation")
        self._elsewhere = {
            name: sets.of(settings, there, "validation")
            for name, there in self._chosen.elsewhere.items()
        }
        self.history = History(stack.weights(index))

    @property
    def best_P(self) -> Tensor:
        """The weights of the best epoch, as a row."""
        return self._stack.row(self.history.best)

    def restore(self, history: Sequence[Epoch], best_P: Tensor) -> None:
        """Take over what was kept, once the stack has its weights."""
        self.history.epochs = list(history)
        self.history.best = self._stack.unpacked(best_P)
        self.history.last_good = self._stack.weights(self._index)

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
        metrics |= validation_metrics(model, self._validation, self._elsewhere)
        if not math.isfinite(metrics["val/loss"]):
            raise self._failure(epoch, taken.steps[-1])
        return self.history.add(metrics, self._stack.weights(self._index))

    def fitted(self) -> FittedModel:
        """The end of the training, with the weights of the best epoch."""
        model = self._stack.model(self._index)
        model.load_state_dict(self.history.best)
        return tested(
            self._settings,
            model,
            self.history.epochs,
            self.history.best_epoch,
            validation=self._validation,
            test=self._sets.of(self._settings, self._chosen, "test"),
        )

    def _failure(self, epoch: int, step: int) -> NonFiniteLossError:
        return NonFiniteLossError(
            epoch=epoch,
            step=step,
            last_good=self.history.last_good,
            history=tuple(self.history.epochs),
        )
