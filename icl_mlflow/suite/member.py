"""One member of a suite: train it, log it, register its model.

A single `train` and every member of a suite go through this one function.
"""

import contextlib
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch

from icl_mlflow.settings import values_of
from icl_mlflow.suite.description import asked
from icl_mlflow.suite.engines.stack_checkpoints import stack_checkpoints
from icl_mlflow.suite.member_artifacts import log_end, log_last_good
from icl_mlflow.suite.member_log import train_log
from icl_mlflow.suite.request import check_ready
from icl_mlflow.suite.training_result import TrainingResult
from icl_mlflow.tracking.local.claims import (
    AUTO,
    begin_checkpoints,
    end_checkpoints,
)
from icl_mlflow.tracking.local.signals import EndedEarlyError, signals_put_off
from icl_mlflow.tracking.local.stack_state import forget_stacks, stack_of
from icl_mlflow.tracking.runs.lifecycle import RunLog, open_run
from icl_mlflow.tracking.runs.resume import (
    command_with_settings,
    run_to_open,
    run_to_resume,
)
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.training.checkpoint import newest_file
from icl_mlflow.training.compute.device import pick_device
from icl_mlflow.training.compute.precision import precision_reason
from icl_mlflow.training.datasets import evaluation_dataset, training_dataset
from icl_mlflow.training.fit import Epoch, FittedModel, NonFiniteLossError, fit
from icl_mlflow.training.member_state import Weights
from icl_mlflow.training.metrics import tracked
from icl_mlflow.training.problem import problem, resolved, with_weights
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.training.stacked.fit import fit_stacked


def train_member(
    store: Store,
    settings: TrainSettings,
    *,
    name: str | None = None,
    parent_run_id: str | None = None,
    resume: str = AUTO,
    on_resume: Callable[[str], None] = lambda _: None,
    on_start: Callable[[], None] = lambda: None,
    on_step: Callable[[], None] = lambda: None,
    on_epoch: Callable[[Epoch], None] = lambda _: None,
    on_stop: Callable[[str], None] = lambda _: None,
) -> TrainingResult:
    """Train one model in a run of its own and register it.

    A run that was cut off goes on where it was, as if nothing had happened.

    Args:
        store: where to track it.
        settings: what to train.
        name: of its run; by default what the settings are called.
        parent_run_id: the suite's run.
        resume: ``auto`` to resume the newest unfinished run of these settings,
            ``never``, or the id of the run to resume.
        on_resume: called with the id of the run that is resumed.
        on_start: called once the run is open.
        on_step: called for every step of the run.
        on_epoch: called with every finished epoch of the run.
        on_stop: called with where it stands, its checkpoint and the command that goes
            on, in one line, when KeyboardInterrupt or SystemExit ends it.

    Raises:
        ValueError: settings that contradict each other; no run is created then.
        NotResumableError: the run that ``resume`` names cannot be resumed.
        RunInUseError: another process has it.
        NonFiniteLossError: the run is FAILED; the last good weights are kept with it.
        EndedEarlyError: ``on_epoch`` raised it; the run is KILLED.
    """
    with member_run(
        store, settings, parent_run_id, name=name, resume=resume, on_resume=on_resume
    ) as run:
        on_start()

        def report(epoch: Epoch) -> None:
            run.report(epoch)
            on_epoch(epoch)

        try:
            fitted = _fitted(run, settings, on_step, report)
        except NonFiniteLossError as error:
            run.keep_last_good(error)
            raise
        except EndedEarlyError as error:
            run.end_early(error)
            raise
        except (KeyboardInterrupt, SystemExit):
            on_stop(run.standing(settings))
            raise
        trained = run.finish(fitted)
    # Not before the run has ended: until then it can be resumed.
    end_checkpoints(trained.run_id)
    forget_stacks()
    return trained


def _fitted(
    run: "MemberRun",
    settings: TrainSettings,
    on_step: Callable[[], None],
    on_epoch: Callable[[Epoch], None],
) -> FittedModel:
    """Train in an open run; as a stack of one if it has begun in a stack."""
    if stack_of(run.run_id) is None:
        return fit(
            settings,
            on_step=on_step,
            on_epoch=on_epoch,
            on_weights=run.report_weights,
            checkpoints=run.checkpoints,
            uninterrupted=signals_put_off,
        )
    with stack_checkpoints([run.run_id]) as keeping:
        (ended,) = fit_stacked(
            [settings],
            keeping=keeping,
            on_step=on_step,
            on_epoch=lambda _index, epoch: on_epoch(epoch),
            on_weights=lambda _index, *told: run.report_weights(*told),
        )
    if isinstance(ended, NonFiniteLossError):
        raise ended
    return ended


class MemberRun:
    """The open run of a member: hears its epochs, and how its training ended.

    Args:
        log: where all of it is kept.
        settings: of the member.
        logger: whose lines become an artifact of the run.
        checkpoints: where its training keeps checkpoints; None for nowhere.
        links: of its description, text to address.
    """

    def __init__(
        self,
        log: RunLog,
        settings: TrainSettings,
        logger: logging.Logger,
        checkpoints: Path | None,
        links: Mapping[str, str],
    ) -> None:
        self.run_id, self.checkpoints = log.run_id, checkpoints
        self._log, self._logger, self._settings = log, logger, settings
        self._links, self._shifts = links, problem(settings).elsewhere

    def report(self, epoch: Epoch) -> None:
        """Log a finished epoch."""
        self._logger.info("epoch %d: %s", epoch.epoch, _shown(epoch.metrics))
        self._log.metrics(tracked(epoch.metrics, self._shifts), step=epoch.epoch)

    def report_weights(self, epoch: Epoch, weights: Weights) -> None:
        """Log the weights after an epoch, once it is logged, if that is wanted."""
        if self._settings.keeps_epoch(epoch.epoch):
            model = with_weights(self._settings, weights)
            self._log.checkpoint(model, self._settings, epoch.epoch)

    def finish(self, fitted: FittedModel) -> TrainingResult:
        """Log the results of a training that is over, and register its model."""
        best, test = fitted.best_epoch, _shown(fitted.test)
        self._logger.info("best epoch %s; %s", best, test)
        return log_end(self._log, fitted, self._links)

    def standing(self, settings: TrainSettings) -> str:
        """Where the training stands, its checkpoint and the command that goes on."""
        newest = self.checkpoints and newest_file(self.checkpoints)
        if not newest:
            return f"{settings.run_name} stopped before its first checkpoint"
        step, file = newest
        return (
            f"{settings.run_name} stopped at step {step} of {settings.total_steps}; "
            f"checkpoint {file}; go on with: "
            f"{command_with_settings(self._log.run_id, settings)}"
        )

    def end_early(self, error: EndedEarlyError) -> None:
        """Say why a training was ended on purpose; it does not go on."""
        self._logger.info("ended early: %s", error)
        self._log.tags({"ended_early": str(error)})
        if self.checkpoints is not None:
            shutil.rmtree(self.checkpoints)

    def keep_last_good(self, error: NonFiniteLossError) -> None:
        """Log the weights from before a training diverged."""
        self._logger.info("stopped: %s", error)
        log_last_good(self._log, error)
        if self.checkpoints is not None:  # it would end there again
            shutil.rmtree(self.checkpoints)


@contextlib.contextmanager
def member_run(
    store: Store,
    settings: TrainSettings,
    parent_run_id: str | None = None,
    *,
    name: str | None = None,
    resume: str | None = None,
    on_resume: Callable[[str], None] = lambda _: None,
) -> Iterator[MemberRun]:
    """Open the run of one member; see `train_member`.

    Args:
        store: where to track it.
        settings: what to train.
        parent_run_id: the suite's run.
        name: of the run; by default what the settings are called.
        resume: ``auto`` to resume the newest unfinished run of these settings,
            ``never``, or the id of the run to resume; None for a training that
            keeps no checkpoints.
        on_resume: called with the id of the run that is resumed.

    Raises:
        ValueError: settings that contradict each other; no run is created then.
        NotResumableError: the run that ``resume`` names cannot be resumed.
        RunInUseError: another process has it.
    """
    check_ready(settings)
    # Members of a suite are not what the environment names.
    find = run_to_resume if parent_run_id else run_to_open
    earlier = find(store, settings.identity, resume) if resume else None
    if earlier is not None:
        on_resume(earlier.run_id)
    with (
        open_run(
            store,
            name=name or settings.run_name,
            kind="train",
            params=resolved(settings),
            tags=_tags(settings),
            description=asked(settings),
            parent_run_id=parent_run_id,
            run_id=earlier.run_id if earlier else None,
            last_sign=earlier.sign if earlier else None,
        ) as log,
        train_log(log) as logger,
    ):
        checkpoints = None if resume is None else begin_checkpoints(log.run_id)
        log.json("settings.json", values_of(settings))
        log.dataset(training_dataset(settings))
        for stream in ("validation", "test"):
            log.dataset(evaluation_dataset(settings, stream))
        links = {"the suite": store.run_link(parent_run_id)} if parent_run_id else {}
        yield MemberRun(log, settings, logger, checkpoints, links)


def _tags(settings: TrainSettings) -> dict[str, str]:
    return {
        "task": settings.task,
        "variant": settings.variant,
        "seed": str(settings.seed),
        "settings_hash": settings.identity,
        "device": str(pick_device(settings.device)),
        "precision_reason": precision_reason(settings),
        "torch_version": torch.__version__,
    }


def _shown(metrics: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.5g}" for name, value in metrics.items())
