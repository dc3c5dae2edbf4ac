"""Train one model, or the same model with several seeds under one parent run."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from icl_mlflow.analysis.ablation import effects as ablation
from icl_mlflow.analysis.performance import learning_curves
from icl_mlflow.analysis.report.answer import over_models
from icl_mlflow.settings import values_of
from icl_mlflow.suite.grid import shown_seeds
from icl_mlflow.suite.member import train_member
from icl_mlflow.suite.request import Request
from icl_mlflow.suite.run_suite import raise_for_failures, train_members
from icl_mlflow.suite.training_result import SeedsResult, TrainingResult
from icl_mlflow.tables import csv
from icl_mlflow.tracking.runs.lifecycle import RunLog, open_run
from icl_mlflow.tracking.runs.results import HISTORY
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.training.fit import Epoch, evaluation_episodes
from icl_mlflow.training.precision import warn_if_slow
from icl_mlflow.training.problem import problem, resolved
from icl_mlflow.training.settings import TrainSettings


@dataclass(frozen=True, kw_only=True)
class Listener:
    """What is called while one model is trained.

    Attributes:
        resume: with the id of the run that is resumed.
        start: once the run is open.
        step: for every step of the run.
        epoch: with the run's name and every finished epoch.
        stop: with where it stands and how it goes on, when a signal ends it.
    """

    resume: Callable[[str], None] = lambda _run_id: None
    start: Callable[[], None] = lambda: None
    step: Callable[[], None] = lambda: None
    epoch: Callable[[str, Epoch], None] = lambda _name, _epoch: None
    stop: Callable[[str], None] = lambda _standing: None


def train_one(store: Store, request: Request, listener: Listener) -> TrainingResult:
    """Train one model in a run of its own and register it.

    Args:
        store: where to track it.
        request: from `icl_mlflow.suite.request.one_model`.
        listener: hears how it goes.

    Raises:
        NotResumableError, RunInUseError, NonFiniteLossError: as for
            `icl_mlflow.suite.member.train_member`.
    """
    settings = request.settings
    warn_if_slow(settings)
    return train_member(
        store,
        settings,
        resume=request.execution.resume,
        on_resume=listener.resume,
        on_start=listener.start,
        on_step=listener.step,
        on_epoch=lambda epoch: listener.epoch(settings.run_name, epoch),
        on_stop=listener.stop,
    )


def train_seeds(
    store: Store,
    request: Request,
    on_epoch: Callable[[str, Epoch], None] = lambda _name, _epoch: None,
) -> SeedsResult:
    """Train one model a seed, at the same time, with one CPU thread each.

    The parent run carries the mean over seeds of every metric under its own name, and
    the ends of `order_interval` under ``.../low`` and ``.../high``: the lowest and the
    highest seed or, from six seeds on, where their median lies.

    Args:
        store: where to track them.
        request: from `icl_mlflow.suite.request.several_seeds`.
        on_epoch: called with the name and every epoch of every member.

    Raises:
        MembersFailedError: some did not finish; the others did, and are logged.
    """
    settings, members = request.settings, request.members
    warn_if_slow(settings)
    of_seeds = shown_seeds(request.seeds)
    params = {**resolved(settings), "seeds": of_seeds}
    del params["seed"]
    with open_run(
        store,
        name=f"{settings.task}-{settings.variant}-seeds{of_seeds}",
        kind="suite",
        params=params,
        tags={"task": settings.task, "variant": settings.variant},
        description=(
            f"Task {settings.task}, variant `{settings.variant}`, seeds {of_seeds}: "
            "means over seeds; `.../low` and `.../high` are the lowest and the highest "
            "seed or, from six seeds on, where their median lies (95 %)."
        ),
    ) as log:
        log.json("settings.json", values_of(settings))
        outcomes = train_members(
            store,
            members,
            log.run_id,
            execution=request.execution,
            on_epoch=on_epoch,
        )
        finished = tuple(outcome.value for outcome in outcomes if outcome.value)
        if finished:
            _log_means(log, settings, finished)
        raise_for_failures(members, outcomes, log.run_id)
        return SeedsResult(run_id=log.run_id, members=finished, ui_link=log.ui_link())


def _log_means(
    log: RunLog, settings: TrainSettings, members: Sequence[TrainingResult]
) -> None:
    """Mean and interval of every metric at every epoch; a table and a figure."""
    rows = []
    n_epochs = settings.epochs
    for epoch in range(n_epochs):
        values = [member.epochs[epoch].metrics for member in members]
        rows.append((epoch, with_intervals(values)))
    rows.append((n_epochs, with_intervals([member.test for member in members])))
    log.metric_series(rows)

    final = [
        {
            "seed": m.settings.seed,
            "run_id": m.run_id,
            "best_epoch": m.best_epoch,
            **m.test,
        }
        for m in members
    ]
    log.table("seeds", pd.DataFrame(final))
    if n_epochs:
        curves = learning_curves.measure((m.settings.seed, m.epochs) for m in members)
        chosen = problem(settings)
        validation = evaluation_episodes(settings, chosen, "validation")
        lines = learning_curves.references(chosen.task, validation)
        title = f"{settings.task}-{settings.variant}, {len(members)} seeds"
        log.text(HISTORY, csv(curves))
        named = curves.assign(variant=settings.variant)
        log.table("paper", ablation.paper_table(named))
        log.figure("learning_curves", learning_curves.draw(curves, lines, title))


def with_intervals(values: Sequence[dict[str, float]]) -> dict[str, float]:
    """Mean over members of every metric, and its ends where there are several."""
    found: dict[str, float] = {}
    for name, interval in over_models(values).items():
        found[name] = interval.mean
        if math.isfinite(interval.low):
            found |= {f"{name}/low": interval.low, f"{name}/high": interval.high}
    return found
