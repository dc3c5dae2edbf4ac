"""Search the settings for the lowest validation excess risk: one run a trial.

Optuna proposes and prunes; its study lies beside the embedded database, or with the
user's state where a server tracks, so the same command goes on after a crash: the trial
that was cut off is trained to its end first. Needs the extra ``search``.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure

from icl_mlflow.analysis import search as results
from icl_mlflow.suite.axes import in_cell
from icl_mlflow.suite.finished import finished_before
from icl_mlflow.suite.member import train_member
from icl_mlflow.suite.request import check_ready
from icl_mlflow.tracking.local.signals import EndedEarlyError
from icl_mlflow.tracking.runs.lifecycle import RunLog, open_run
from icl_mlflow.tracking.runs.query import MEMBERS
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.training.compute.precision import warn_if_slow
from icl_mlflow.training.fit import Epoch, NonFiniteLossError
from icl_mlflow.training.problem import resolved
from icl_mlflow.workflows.search.plan import SearchPlan
from icl_mlflow.workflows.search.result import (
    RISK,
    SearchResult,
    answered,
    asked,
)
from icl_mlflow.workflows.search.space import Range, Space, shown_space
from icl_mlflow.workflows.search.trials import Trial, attributes, table

if TYPE_CHECKING:
    import optuna


def search(
    store: Store,
    plan: SearchPlan,
    on_trial: Callable[[Trial], None] = lambda _: None,
) -> SearchResult:
    """Train the trials that are missing, under one parent run.

    Args:
        store: where to track them.
        plan: from `plan_search`.
        on_trial: called with every trial that has ended; first with those of earlier
            calls.

    Raises:
        SearchInUseError: another process is at it.
    """
    # An optional extra.
    from icl_mlflow.workflows.search.study import open_study  # noqa: PLC0415

    warn_if_slow(plan.settings)
    params = {k: v for k, v in resolved(plan.settings).items() if k not in plan.space}
    with (
        open_study(plan) as study,
        open_run(
            store,
            name=f"{plan.settings.task}-{plan.settings.variant}-search",
            kind="search",
            params=params | {"space": shown_space(plan.space), "trials": plan.n_trials},
            tags={
                "task": plan.settings.task,
                "variant": plan.settings.variant,
                "study": plan.study,
            },
            description=asked(plan),
        ) as log,
    ):
        searching = _Search(store, plan, study, log, on_trial)
        searching.run()
        return searching.result()


def drawn(trials: pd.DataFrame, space: Space, task: str) -> Figure:
    """The figure of a search.

    Args:
        trials: its table.
        space: what was looked for.
        task: that was trained.
    """
    axes = {
        name: isinstance(values, Range) and values.is_logarithmic
        for name, values in space.items()
    }
    return results.draw(trials, axes, f"Task {task}, {len(trials)} trials")


class _Search:
    """A search under way; the arguments are those of `search`.

    Args:
        study: of Optuna.
        log: of the parent run.
    """

    def __init__(
        self,
        store: Store,
        plan: SearchPlan,
        study: "optuna.Study",
        log: RunLog,
        on_trial: Callable[[Trial], None],
    ) -> None:
        self._store, self._plan, self._study, self._log = store, plan, study, log
        self._on_trial = on_trial
        self._trials: list[Trial] = []
        self._new: set[str] = set()

    def run(self) -> None:
        """Hear of the trials of earlier calls, and train those that are missing."""
        import optuna  # noqa: PLC0415 (an optional extra)

        states = optuna.trial.TrialState
        for earlier in self._study.get_trials(deepcopy=False):
            if earlier.state == states.RUNNING:  # its process has died; it goes on
                self._study.enqueue_trial(earlier.params)
                self._study.tell(earlier.number, state=states.FAIL)
            elif earlier.state in {states.COMPLETE, states.PRUNED}:
                self._end(Trial(**earlier.user_attrs["trial"]))
        while len(self._trials) < self._plan.n_trials:
            trial = self._study.ask()
            ended = self._train(trial)
            trial.set_user_attr("trial", attributes(ended))
            if ended.state == results.FINISHED:
                self._study.tell(trial, ended.excess_risk)
            else:
                self._study.tell(trial, state=states.PRUNED)
            self._end(ended)

    def result(self) -> SearchResult:
        """Log the table, the figure and the answer on the parent run."""
        rows = table(self._trials)
        row = dict(results.best_trial(rows) or {})
        best = None
        if row:
            cell = next(t.cell for t in self._trials if t.number == row["trial"])
            best = in_cell(self._plan.settings, cell)
            self._log.tags({"best_run_id": row["run_id"]})
        self._log.table("trials", rows)
        self._log.json(MEMBERS, self._members())
        task, space = self._plan.settings.task, self._plan.space
        self._log.figure("trials", drawn(rows, space, task))
        found = SearchResult(
            run_id=self._log.run_id,
            trials=rows,
            best=best,
            best_trial=row,
            ui_link=self._log.ui_link(),
        )
        link = self._store.run_link(str(row["run_id"])) if row else ""
        self._log.description(answered(self._plan, found, link))
        return found

    def _train(self, trial: "optuna.Trial") -> Trial:
        from icl_mlflow.workflows.search.study import proposed  # noqa: PLC0415

        cell = {name: proposed(trial, name, v) for name, v in self._plan.space.items()}
        try:
            settings = in_cell(self._plan.settings, cell)
            check_ready(settings)
        except ValueError as error:  # ends that are right alone contradict each other
            return Trial(
                number=trial.number,
                cell=cell,
                state=results.FAILED,
                excess_risk=None,
                why=str(error),
            )
        heard: list[Epoch] = []

        def hear(epoch: Epoch) -> None:
            heard.append(epoch)
            trial.report(epoch.metrics[RISK], epoch.epoch)
            if trial.should_prune():
                raise EndedEarlyError(f"pruned after epoch {epoch.epoch}")

        state, why = results.FINISHED, ""
        try:
            trained = finished_before(self._store, settings) or train_member(
                self._store,
                settings,
                name=f"{settings.task}-{settings.variant}-trial{trial.number}"
                f"-seed{settings.seed}",
                parent_run_id=self._log.run_id,
                on_epoch=hear,
            )
        except EndedEarlyError as error:
            state, why = results.PRUNED, str(error)
        except NonFiniteLossError as error:
            state, why = results.FAILED, str(error)
        if state != results.FINISHED:
            risks = [epoch.metrics[RISK] for epoch in heard]
            return Trial(
                number=trial.number,
                cell=cell,
                state=state,
                excess_risk=min(risks, default=None),
                why=why,
            )
        assert trained.best_epoch is not None
        if not trained.reused:
            self._new.add(trained.run_id)
        return Trial(
            number=trial.number,
            cell=cell,
            state=state,
            excess_risk=trained.epochs[trained.best_epoch].metrics[RISK],
            run_id=trained.run_id,
            model_uri=trained.model_uri or "",
        )

    def _end(self, trial: Trial) -> None:
        self._trials.append(trial)
        known = [
            t.excess_risk
            for t in self._trials
            if t.state == results.FINISHED and t.excess_risk is not None
        ]
        numbers = {"search/best_excess_risk": min(known)} if known else {}
        if trial.excess_risk is not None:
            numbers["search/excess_risk"] = trial.excess_risk
        self._log.metrics(numbers, step=trial.number)
        self._on_trial(trial)

    def _members(self) -> list[dict[str, object]]:
        """The finished trials, as other parents list their members."""
        settings = self._plan.settings
        return [
            {
                "task": settings.task,
                "variant": settings.variant,
                "seed": settings.seed,
                "settings_hash": in_cell(settings, trial.cell).identity,
                "run_id": trial.run_id,
                "reused": trial.run_id not in self._new,
            }
            for trial in self._trials
            if trial.run_id
        ]
