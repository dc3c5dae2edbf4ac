"""Train many members of a suite as one stack, each in a run of its own."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import NoReturn

from icl_mlflow.suite.engines.process_pool import Outcome
from icl_mlflow.suite.engines.stack_checkpoints import stack_checkpoints
from icl_mlflow.suite.member import member_run
from icl_mlflow.suite.training_result import TrainingResult
from icl_mlflow.tracking.local.claims import AUTO, end_checkpoints
from icl_mlflow.tracking.local.signals import signals_unwind
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.training.fit import Epoch, FittedModel, NonFiniteLossError
from icl_mlflow.training.member_state import Weights
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.training.stacked.fit import Ended, fit_stacked


def train_stack(
    store: Store,
    members: Sequence[TrainSettings],
    *,
    parent_run_id: str,
    names: Sequence[str] | None = None,
    resume: str = AUTO,
    on_epoch: Callable[[str, Epoch], None] = lambda _name, _epoch: None,
) -> list[Outcome[TrainingResult]]:
    """Train members in lock-step; what became of each, in order.

    What a run holds in the end is what `icl_mlflow.suite.member.train_member` leaves.
    A member that diverges, or whose run cannot be written to, fails alone. Members that
    were cut off go on after the last epoch of the stack that all were part of.

    Args:
        store: where to track them.
        members: that can be stacked.
        parent_run_id: the suite's run.
        names: of their runs; by default what the settings are called.
        resume: ``auto`` to resume what was cut off, or ``never``.
        on_epoch: called with the run's name and every finished epoch of every member.
    """
    called = names or [settings.run_name for settings in members]
    with signals_unwind(), ExitStack() as all_runs:
        runs = [
            _Run(
                all_runs.enter_context(ExitStack()),
                store,
                settings,
                parent_run_id,
                name=name,
                resume=resume,
            )
            for settings, name in zip(members, called, strict=True)
        ]

        def hear_epoch(index: int, epoch: Epoch) -> None:
            runs[index].hear_epoch(epoch)
            on_epoch(called[index], epoch)

        with stack_checkpoints([run.run_id for run in runs]) as keeping:
            fit_stacked(
                members,
                keeping=keeping,
                on_epoch=hear_epoch,
                on_weights=lambda index, *told: runs[index].hear_weights(*told),
                on_end=lambda index, ended: runs[index].hear_end(ended),
            )
    return [run.outcome for run in runs]


class _Run:
    """The run of one member of a stack, which ends when that member does.

    Args:
        opened: whatever ends the stack ends all of these that are still open.
        store: where the run is.
        settings: of the member.
        parent_run_id: the suite's run.
        name: of the run.
        resume: as for `train_stack`.

    Attributes:
        run_id: of the run.
        outcome: what became of the member; nothing has yet as long as it has neither
            value nor error.
    """

    def __init__(
        self,
        opened: ExitStack,
        store: Store,
        settings: TrainSettings,
        parent_run_id: str,
        *,
        name: str,
        resume: str,
    ) -> None:
        self.outcome: Outcome[TrainingResult] = Outcome(None)
        self._opened = opened
        self._run = opened.enter_context(
            member_run(store, settings, parent_run_id, name=name, resume=resume)
        )
        self.run_id = self._run.run_id

    def hear_epoch(self, epoch: Epoch) -> None:
        """Log an epoch."""
        self._log(lambda: self._run.report(epoch))

    def hear_weights(self, epoch: Epoch, weights: Weights) -> None:
        """Log the weights after an epoch, if that is wanted."""
        self._log(lambda: self._run.report_weights(epoch, weights))

    def _log(self, report: Callable[[], None]) -> None:
        """Log something; a run that cannot be written to has failed."""
        if self.outcome.error is None:
            try:
                report()
            except Exception as error:  # noqa: BLE001 (the others go on)
                self._end(partial(_fail, error))

    def hear_end(self, ended: Ended) -> None:
        """Log the results, or what is left of a training that diverged."""
        if self.outcome.error is not None:
            return
        if isinstance(ended, FittedModel):
            self._end(lambda: self._run.finish(ended))
        else:
            self._end(lambda: self._diverge(ended))

    def _diverge(self, error: NonFiniteLossError) -> NoReturn:
        self._run.keep_last_good(error)
        raise error

    def _end(self, last: Callable[[], TrainingResult]) -> None:
        """Do the last thing of the run, and close it by how that went."""
        try:
            with self._opened:
                value = last()
            end_checkpoints(self.run_id)
        except Exception as error:  # noqa: BLE001 (the others go on)
            self.outcome = Outcome.failed(error)
        else:
            self.outcome = Outcome(value)


def _fail(error: Exception) -> NoReturn:
    raise error
