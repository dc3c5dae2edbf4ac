"""Train the models of a diagram, ask their checkpoints, and log what is found.

Members are found again by the hash of their settings: run it again after a crash.
"""

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from icl_mlflow.analysis.diversity.claims import Claim, claims
from icl_mlflow.analysis.diversity.figures import drawn
from icl_mlflow.analysis.diversity.page import page
from icl_mlflow.analysis.report.card import card
from icl_mlflow.files import write_file
from icl_mlflow.settings import values_of
from icl_mlflow.suite.grid import shown_seeds
from icl_mlflow.suite.run_suite import raise_for_failures, train_members
from icl_mlflow.tracking.runs.lifecycle import RunLog, open_run
from icl_mlflow.tracking.runs.query import MEMBERS
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.training.compute.precision import warn_if_slow
from icl_mlflow.training.fit import Epoch
from icl_mlflow.training.problem import resolved
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.workflows.ablate import Suite, listed_members, plan_suite
from icl_mlflow.workflows.diagram.measure import has_checkpoints, measured_members
from icl_mlflow.workflows.diagram.plan import DiagramPlan
from icl_mlflow.workflows.diagram.settings import (
    DIAGRAM_PRESETS,
    USUAL_PRESET,
    preset_settings,
)

_PAGE = "diagram.md"


@dataclass(frozen=True, kw_only=True, repr=False)
class Diagram:
    """A finished diagram.

    Attributes:
        run_id: of the parent run.
        table: one row a pool, seed, checkpoint and place of the episodes.
        claims: of two papers, and what the table says to each.
        page: the results in Markdown.
        ui_link: the parent's page in the UI.
    """

    run_id: str
    table: pd.DataFrame
    claims: list[Claim]
    page: str
    ui_link: str

    def __repr__(self) -> str:
        told = ", ".join(f"{claim.paper} {claim.verdict}" for claim in self.claims)
        return f"Diagram({told}; run {self.run_id})"

    def _repr_html_(self) -> str:
        told = {claim.statement: claim.verdict for claim in self.claims}
        rows = {"run": self.run_id, **told}
        return card("Memorise or generalise", rows, self.ui_link)


def plan_members(store: Store, plan: DiagramPlan) -> Suite:
    """Which members have been trained before, their checkpoints with them."""
    suite = plan_suite(store, plan.request)
    finished = {
        identity: run_id
        for identity, run_id in suite.finished.items()
        if has_checkpoints(store, run_id)
    }
    return Suite(request=plan.request, finished=finished)


def diagram(
    store: Store,
    plan: DiagramPlan,
    suite: Suite,
    on_epoch: Callable[[str, Epoch], None] = lambda _name, _epoch: None,
    on_measured: Callable[[], None] = lambda: None,
) -> Diagram:
    """Train what is missing, ask every checkpoint, and log the diagram.

    Args:
        store: where to track it.
        plan: from `icl_mlflow.workflows.diagram.plan.plan_diagram`.
        suite: from `plan_members`.
        on_epoch: called with the name and every epoch of every member.
        on_measured: called after the checkpoints of each member.

    Raises:
        MembersFailedError: some members did not finish; the diagram of the others is
            logged.
    """
    request = plan.request
    settings, axes = request.settings, tuple(request.axes)
    warn_if_slow(settings)
    of_seeds = shown_seeds(request.seeds)
    pools = ",".join(map(str, request.axes["pool"]))
    params = {
        **resolved(settings), "pools": pools, "seeds": of_seeds,
        "episodes": plan.episodes,
    }  # fmt: skip
    del params["seed"]
    with open_run(
        store,
        name=f"{settings.task}-diagram-seeds{of_seeds}",
        kind="suite",
        params=params,
        tags={"task": settings.task, "variant": settings.variant},
        description=f"Does a model of task {settings.task} memorise a finite pool of "
        f"its latents, or generalise? Pools of {pools}, seeds {of_seeds}.",
    ) as log:
        log.json("settings.json", values_of(settings))
        outcomes = train_members(
            store,
            suite.missing,
            log.run_id,
            execution=request.execution,
            axes=axes,
            on_epoch=on_epoch,
        )
        done = [outcome.value for outcome in outcomes if outcome.value]
        run_ids = suite.finished | {m.settings.identity: m.run_id for m in done}
        log.json(MEMBERS, listed_members(suite, run_ids, suite.finished))
        members = {
            run_ids[m.identity]: m for m in request.members if m.identity in run_ids
        }
        table = measured_members(store, members, plan.episodes, on_measured)
        found = _log(log, settings, table, pools, of_seeds)
        raise_for_failures(suite.missing, outcomes, log.run_id, axes)
        return found


def write_page(found: Diagram, file: Path, title: str) -> None:
    """Write the results as a Markdown file, with its figures beside it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    for name, figure in drawn(found.table, title).items():
        figure.savefig(file.parent / f"{name}.png", dpi=120)
    write_file(file, found.page.encode())


def title_of(settings: TrainSettings) -> str:
    """What the figures of a diagram are called."""
    return f"task {settings.task}, pools of few and of many tasks"


def options_of(settings: TrainSettings) -> str:
    """What differs from the usual diagram, as options; each with a space after it.

    From the preset that they are nearest to.

    >>> from icl_mlflow.workflows.diagram.settings import preset_settings
    >>> options_of(preset_settings(None, {"tau": 1, "epochs": 32}))
    '--epochs 32 --tau 1.0 '
    """
    ours, found = values_of(settings), []
    for preset in DIAGRAM_PRESETS:
        usual = values_of(preset_settings(preset, {}))
        given = {k: v for k, v in ours.items() if v not in {None, usual.get(k)}}
        named = {} if preset == USUAL_PRESET else {"preset": preset}
        found.append({**named, **given})
    words = min(found, key=len).items()
    return "".join(f"--{k} {shlex.quote(str(v))} " for k, v in words)


def _log(
    log: RunLog, settings: TrainSettings, table: pd.DataFrame, pools: str, seeds: str
) -> Diagram:
    found = claims(table)
    text = ""
    if not table.empty:
        log.table("diagram", table)
        for name, figure in drawn(table, title_of(settings)).items():
            log.figure(name, figure)
        command = f"icl-mlflow diagram {options_of(settings)}--pools {pools}"
        what = (
            f"Task {settings.task}: {settings.total_steps:,} steps of "
            f"{settings.batch_size} episodes, {settings.precision}, seeds {seeds}; "
            "checkpoints after epochs 1, 2, 4, 8, ... and the last."
        )
        text = page(table, found, f"{command} --seeds {seeds}", what)
        log.text(_PAGE, text)
        log.description(
            "\n\n".join(
                f"**{claim.verdict}** (arXiv {claim.paper}): {claim.statement}; "
                f"{claim.found}."
                for claim in found
            )
        )
        log.metrics(
            {
                f"diagram/{claim.name}": float(claim.answer)
                for claim in found
                if claim.answer is not None
            },
            step=0,
        )
    return Diagram(
        run_id=log.run_id,
        table=table,
        claims=found,
        page=text,
        ui_link=log.ui_link(),
    )
