"""Train one model, or the same model with several seeds under one parent run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure

from icl_mlflow.analysis.ablation.history import paper_table
from icl_mlflow.analysis.performance import learning_curves
from icl_mlflow.analysis.report.answer import over_models
from icl_mlflow.settings import values_of
from icl_mlflow.statistics import Interval
from icl_mlflow.suite.description import answered_by_seeds
from icl_mlflow.suite.grid import shown_seeds
from icl_mlflow.suite.member import train_member
from icl_mlflow.suite.request import Request
from icl_mlflow.suite.run_suite import raise_for_failures, train_members
from icl_mlflow.suite.training_result import SeedsResult, TrainingResult
from icl_mlflow.tables import csv
from icl_mlflow.tracking.runs.history import HISTORY
from icl_mlflow.tracking.runs.lifecycle import RunLog, open_run
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.training.compute.precision import warn_if_slow
from icl_mlflow.training.fit import Epoch, evaluation_episodes
from icl_mlflow.training.metrics import tracked
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

    The parent run carries the mean over seeds of every metric under its own name, epoch
    by epoch; ``tables/means.csv`` adds the ends of `order_interval`: the lowest and the
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
            f"**{problem(settings).variant.question}**\n\n"
            f"Task {settings.task}, variant `{settings.variant}`, seeds {of_seeds}."
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
        comparison = ""
        if finished:
            _log_means(log, settings, finished)
            comparison = store.comparison_link(
                log.run_id, [member.run_id for member in finished], by=["seed"]
            )
            _describe(log, settings, finished, comparison)
        raise_for_failures(members, outcomes, log.run_id)
        return SeedsResult(
            run_id=log.run_id,
            members=finished,
            ui_link=log.ui_link(),
            comparison_link=comparison,
        )


def _log_means(
    log: RunLog, settings: TrainSettings, members: Sequence[TrainingResult]
) -> None:
    """Mean and interval of every metric at every epoch; a table and a figure."""
    n_epochs, shifts = settings.epochs, problem(settings).elsewhere
    steps = {
        epoch: over_models([dict(m.epochs[epoch].metrics) for m in members])
        for epoch in range(n_epochs)
    }
    tests = over_models([member.test for member in members])
    means = {
        step: {name: interval.mean for name, interval in each.items()}
        for step, each in {**steps, n_epochs: tests}.items()
    }
    log.metric_series([(step, tracked(each, shifts)) for step, each in means.items()])
    log.table("means", means_table(steps, tests))

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
        log.text(HISTORY, csv(curves))
        named = curves.assign(variant=settings.variant)
        log.table("paper", paper_table(named))
        log.figure("learning_curves", curves_of_seeds(settings, curves))


def curves_of_seeds(settings: TrainSettings, curves: pd.DataFrame) -> Figure:
    """The learning curves of several seeds, with what exact Bayes reaches.

    Args:
        settings: of every seed.
        curves: of `icl_mlflow.analysis.performance.learning_curves.measure`.
    """
    chosen = problem(settings)
    validation = evaluation_episodes(settings, chosen, "validation")
    lines = learning_curves.references(chosen.task, validation)
    title = f"{settings.task}-{settings.variant}, {curves['seed'].nunique()} seeds"
    return learning_curves.draw(curves, lines, title)


def means_table(
    steps: Mapping[int, Mapping[str, Interval]], tests: Mapping[str, Interval]
) -> pd.DataFrame:
    """One row per metric and epoch: mean over seeds, and the ends of its interval.

    Args:
        steps: epoch to its metrics.
        tests: metrics without an epoch.
    """
    rows = [
        {
            "metric": name,
            "epoch": epoch,
            "mean": interval.mean,
            "low": interval.low,
            "high": interval.high,
            "seeds": interval.n,
        }
        for epoch, found in [*steps.items(), (None, tests)]
        for name, interval in found.items()
    ]
    return pd.DataFrame(rows).astype({"epoch": "Int64"})


def _describe(
    log: RunLog,
    settings: TrainSettings,
    members: Sequence[TrainingResult],
    comparison: str,
) -> None:
    log.description(
        answered_by_seeds(
            settings,
            {member.settings.seed: member.test for member in members},
            members[0].bayes_accuracy,
            {"Compare the seeds": comparison},
        )
    )
