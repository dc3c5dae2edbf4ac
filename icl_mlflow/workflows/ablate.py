"""Train every variant with every seed, then compare them with the baseline.

Members are found again by the hash of their settings: what has finished is reused, what
failed or was killed goes on where it was.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import pandas as pd

from icl_mlflow.analysis.ablation import grid
from icl_mlflow.analysis.report.card import card
from icl_mlflow.settings import values_of
from icl_mlflow.suite.axes import shown_axes
from icl_mlflow.suite.grid import shown_seeds
from icl_mlflow.suite.request import Request
from icl_mlflow.suite.run_suite import raise_for_failures, train_members
from icl_mlflow.tracking.runs.lifecycle import RunLog, open_run
from icl_mlflow.tracking.runs.query import MEMBERS
from icl_mlflow.tracking.runs.results import finished_runs, readable_members
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.tracking.store.retry import repeated
from icl_mlflow.tracking.store.ui import as_table
from icl_mlflow.training.compute.precision import warn_if_slow
from icl_mlflow.training.fit import Epoch
from icl_mlflow.training.problem import resolved
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.variants import VARIANTS
from icl_mlflow.workflows.ablation.log import (
    REPORT,
    Comparison,
    describe,
    log_comparison,
    tell_members,
)


@dataclass(frozen=True, kw_only=True)
class Suite:
    """What is to be trained, and what is there already.

    Attributes:
        request: every variant with every seed.
        finished: identity to run id, of members that need no training.
    """

    request: Request
    finished: dict[str, str]

    @property
    def missing(self) -> list[TrainSettings]:
        """The members that are still to be trained."""
        return [m for m in self.request.members if m.identity not in self.finished]


@dataclass(frozen=True, kw_only=True, repr=False)
class Ablation:
    """A finished suite.

    Attributes:
        settings: of every member, but for variant and seed.
        run_id: of the parent run.
        table: one row a variant, and cell of a grid: statistics, ``verdict`` and
            ``sentence``.
        history: one row a variant, seed and epoch, and cell; a column a metric.
        ui_link: the parent's page in the UI.
        comparison_link: its members there, charts grouped by variant; empty where
            nothing could be compared.
        report_link: the report there; empty likewise.
    """

    settings: TrainSettings
    run_id: str
    table: pd.DataFrame
    history: pd.DataFrame
    ui_link: str
    comparison_link: str = ""
    report_link: str = ""

    def __repr__(self) -> str:
        named = ", ".join(self.sentences)
        return f"Ablation({named}; run {self.run_id})"

    def _repr_html_(self) -> str:
        return card("Ablation", {"run": self.run_id, **self.sentences}, self.ui_link)

    @property
    def sentences(self) -> dict[str, str]:
        """The verdict on each variant; in a grid on each cell, beside exact Bayes."""
        if self.table.empty:
            return {}
        if grid.CELL in self.table:
            return grid.sentences(self.table)
        return dict(zip(self.table["variant"], self.table["sentence"], strict=True))


def plan_suite(store: Store, request: Request) -> Suite:
    """Find out which members have been trained before."""
    identities = [member.identity for member in request.members]
    return Suite(request=request, finished=finished_runs(store, identities))


def ablate(
    store: Store,
    suite: Suite,
    on_epoch: Callable[[str, Epoch], None] = lambda _name, _epoch: None,
    *,
    parent_run_id: str | None = None,
) -> Ablation:
    """Train what is missing and compare all variants, under one parent run.

    Args:
        store: where to track them.
        suite: from `plan_suite`.
        on_epoch: called with the name and every epoch of every member that is trained.
        parent_run_id: of a run that this one is a step of.

    Raises:
        MembersFailedError: some members did not finish; the comparison of the others
            is logged.
    """
    warn_if_slow(suite.request.settings)
    task = suite.request.settings.task
    of_seeds = shown_seeds(suite.request.seeds)
    params = {
        **resolved(suite.request.settings),
        "variants": ",".join(suite.request.variants),
        "seeds": of_seeds,
    }
    if suite.request.axes:
        params["grid"] = shown_axes(suite.request.axes)
    for replaced in ("variant", "seed", *suite.request.axes):
        params.pop(replaced, None)  # of a wrapper that is not given there is none
    missing = suite.missing
    with open_run(
        store,
        name=f"{task}-{'grid' if suite.request.axes else 'ablation'}-seeds{of_seeds}",
        kind="suite",
        params=params,
        tags={"task": task},
        description=_description(suite),
        parent_run_id=parent_run_id,
    ) as log:
        log.json("settings.json", values_of(suite.request.settings))
        outcomes = train_members(
            store,
            missing,
            log.run_id,
            execution=suite.request.execution,
            may_reuse=True,
            axes=tuple(suite.request.axes),
            on_epoch=on_epoch,
        )
        done = [outcome.value for outcome in outcomes if outcome.value]
        run_ids = suite.finished | {m.settings.identity: m.run_id for m in done}
        reused = {*suite.finished, *(m.settings.identity for m in done if m.reused)}
        listed = listed_members(suite, run_ids, reused)
        log.json(MEMBERS, listed)
        found, link = _compare(store, log, suite, run_ids, listed)
        axes = tuple(suite.request.axes)
        raise_for_failures(missing, outcomes, log.run_id, axes)
        return Ablation(
            settings=suite.request.settings,
            run_id=log.run_id,
            table=found.table,
            history=found.history,
            ui_link=log.ui_link(),
            comparison_link=link,
            report_link=store.run_link(log.run_id, REPORT) if link else "",
        )


def _compare(
    store: Store,
    log: RunLog,
    suite: Suite,
    run_ids: Mapping[str, str],
    listed: Sequence[Mapping[str, object]],
) -> tuple[Comparison, str]:
    """Read every member back, and compare; what is found, and the link to it."""
    nothing = Comparison(
        table=pd.DataFrame(), history=pd.DataFrame(), differences={}, verdicts={}
    )
    request = suite.request
    # Without an epoch there is no learning curve to read, and nothing was learned.
    if not run_ids or not all(member.epochs for member in request.members):
        return nothing, ""
    trained = [run_ids[m.identity] for m in request.members if m.identity in run_ids]
    members = repeated(partial(readable_members, store, trained))
    if not members:
        return nothing, ""
    found = log_comparison(log, request, members, listed)
    tell_members(log, members, found)
    link = store.comparison_link(log.run_id, trained, by=["variant"])
    links = {
        "Compare the variants": link,
        "as a table": as_table(link),
        "Report": store.run_link(log.run_id, REPORT),
    }
    log.description(describe(request, found.table, links, _reused(suite)))
    return found, link


def listed_members(
    suite: Suite, run_ids: Mapping[str, str], reused: Collection[str]
) -> list[dict[str, object]]:
    """What a parent run says of its members: where each is, and whose it was first."""
    return [
        {
            "name": name,
            "task": member.task,
            "variant": member.variant,
            "seed": member.seed,
            "settings_hash": member.identity,
            "run_id": run_ids.get(member.identity),
            "reused": member.identity in reused,
        }
        for name, member in suite.request.names(suite.request.members).items()
    ]


def _description(suite: Suite) -> str:
    request = suite.request
    questions = "\n".join(
        f"- `{name}`: {VARIANTS[name].question}" for name in request.variants
    )
    return (
        f"Which parts of the model does the test of task {request.settings.task} need? "
        f"{len(request.variants)} variants, seeds {shown_seeds(request.seeds)}. "
        f"{_reused(suite)}\n\n{questions}"
    )


def _reused(suite: Suite) -> str:
    return (
        f"{len(suite.finished)} of {len(suite.request.members)} members had been "
        f"trained before (`{MEMBERS}`)."
    )
