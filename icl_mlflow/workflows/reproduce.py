"""The paper by one command: train its experiments, and put its table beside ours.

Members are those of `train --seeds` and `ablate`, found again by the hash of their
settings; what failed or was cut off goes on where it was. All hangs below one parent
run, which holds table, figures and page; they can be made again without training.
"""

import datetime
import itertools
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from icl_mlflow.analysis.report.answer import Answer
from icl_mlflow.analysis.report.card import card
from icl_mlflow.analysis.report.page import Source, render
from icl_mlflow.analysis.report.section import Section
from icl_mlflow.reproduction import page
from icl_mlflow.reproduction.correlations import correlations
from icl_mlflow.reproduction.judgement import Kind
from icl_mlflow.reproduction.paper import SOURCE
from icl_mlflow.reproduction.table import LAST, Row, readable, rows, table
from icl_mlflow.settings import values_of
from icl_mlflow.suite.grid import shown_seeds
from icl_mlflow.suite.request import Request
from icl_mlflow.suite.run_suite import raise_for_failures, train_members
from icl_mlflow.tables import latex, markdown
from icl_mlflow.tracking.local.temporary import temporary_folder
from icl_mlflow.tracking.runs.lifecycle import RunLog, open_run
from icl_mlflow.tracking.runs.query import MEMBERS
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.training.compute.precision import warn_if_slow
from icl_mlflow.training.fit import Epoch
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.version import VERSION
from icl_mlflow.workflows.ablate import Suite, listed_members
from icl_mlflow.workflows.reproduction.commands import commands, missing_lines
from icl_mlflow.workflows.reproduction.evidence import answered, baselines, evidence

#: What the page is called among the artifacts.
PAGE = "reproduction.html"


#: Of experiments, those that are counted among the metrics.
_COUNTED = (Kind.REPRODUCED, Kind.DIFFERS, Kind.UNDECIDED, Kind.MISSING)


class NothingFinishedError(ValueError):
    """There is nothing that a page could be made of."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Reproduction:
    """The paper's table beside ours.

    Attributes:
        run_id: of the parent run.
        table: one row an experiment and choice of epoch: the paper's number, every
            seed of ours, exact Bayes, the difference, ``verdict`` and ``why``.
        correlations: one row a correlation of the paper's figures.
        missing: what is not there yet, and how it comes.
        page: the whole of it, HTML.
        ui_link: the parent's page in the UI.
    """

    run_id: str
    table: pd.DataFrame
    correlations: pd.DataFrame
    missing: tuple[str, ...]
    page: str
    ui_link: str

    def __repr__(self) -> str:
        named = ", ".join(f"{k}: {v}" for k, v in self._verdicts.items())
        return f"Reproduction({named}; run {self.run_id})"

    def _repr_html_(self) -> str:
        rows = {"run": self.run_id, **self._verdicts}
        return card("The paper, reproduced", rows, self.ui_link)

    @property
    def _verdicts(self) -> dict[str, str]:
        judged = self.table[self.table["epoch"] == LAST]
        return dict(zip(judged["experiment"], judged["verdict"], strict=True))


def reproduce(
    store: Store,
    suite: Suite,
    on_epoch: Callable[[str, Epoch], None] = lambda _name, _epoch: None,
    on_analysis: Callable[[], None] = lambda: None,
    *,
    page_only: bool = False,
) -> Reproduction:
    """Train what is missing, then compare all that stands with the paper.

    Args:
        store: where to track it.
        suite: of `icl_mlflow.workflows.ablate.plan_suite`, for the request of
            `icl_mlflow.suite.request.papers_trainings`.
        on_epoch: called with the name and every epoch of every member that is trained.
        on_analysis: called after every analysis of every baseline.
        page_only: train nothing.

    Raises:
        NothingFinishedError: nothing is to be trained, and nothing has finished; no
            run has been created then.
        MembersFailedError: some members did not finish; the page is of the others.
    """
    request = suite.request
    if page_only and not suite.finished:
        raise NothingFinishedError(
            f"no training of these settings has finished in experiment "
            f"{store.experiment_name!r}; leave page_only out to train them"
        )
    missing = [] if page_only else suite.missing
    if missing:
        warn_if_slow(request.settings)
    of_seeds = shown_seeds(request.seeds)
    with open_run(
        store,
        name=f"paper-seeds{of_seeds}",
        kind="suite",
        params={**_shared(request), "seeds": of_seeds, "page_only": page_only},
        tags={"reproduces": SOURCE},
        description=_description(suite),
    ) as log:
        log.json("settings.json", _shared(request))
        outcomes = train_members(
            store,
            missing,
            log.run_id,
            execution=request.execution,
            may_reuse=True,
            on_epoch=on_epoch,
        )
        done = [outcome.value for outcome in outcomes if outcome.value]
        run_ids = suite.finished | {m.settings.identity: m.run_id for m in done}
        reused = {*suite.finished, *(m.settings.identity for m in done if m.reused)}
        listed = listed_members(suite, run_ids, reused)
        log.json(MEMBERS, listed)
        found = None
        if run_ids:
            found = _compare(log, request, run_ids, listed, on_analysis)
        raise_for_failures(missing, outcomes, log.run_id)
        assert found is not None  # without a failure something has finished
        return found


def _compare(
    log: RunLog,
    request: Request,
    run_ids: Mapping[str, str],
    listed: Sequence[Mapping[str, object]],
    on_analysis: Callable[[], None],
) -> Reproduction:
    """Read everything back, judge it, and log it on the parent."""
    store = log.store
    trained_models = baselines(store, request, run_ids)
    found = evidence(store, request, run_ids, trained_models)
    judged = rows(found)
    answers = answered(trained_models, request.settings, on_analysis)
    own = page.drawn(found, judged, title_of(request.seeds))
    shown = page.sections(own, judged, answers)
    result = Reproduction(
        run_id=log.run_id,
        table=table(judged),
        correlations=correlations(answers),
        missing=tuple(missing_lines(store, request, judged)),
        page="",
        ui_link=log.ui_link(),
    )
    made = page.report(
        rows=judged,
        found=found,
        shown=shown,
        correlations=result.correlations,
        members=pd.DataFrame(listed),
        missing=result.missing,
        settings=_shared(request),
        recipe=_recipe(request.settings),
        commands=commands(store, request),
        sources=[
            Source(what="results in run", identity=log.run_id, link=result.ui_link)
        ],
        made_with={
            "icl-mlflow": VERSION,
            "torch": torch.__version__,
            "made": f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC",
        },
    )
    result = replace(result, page=render(made))
    _log(log, result, judged, shown, answers)
    return result


def title_of(seeds: Sequence[int]) -> str:
    """What stands above the figures of a reproduction."""
    return f"{SOURCE} and ours, seeds {shown_seeds(seeds)}"


def _log(
    log: RunLog,
    result: Reproduction,
    judged: Sequence[Row],
    shown: Sequence[Section],
    answers: Mapping[str, Sequence[Answer]],
) -> None:
    """Page, figures, tables and headline numbers."""
    log.text(PAGE, result.page)
    with temporary_folder() as folder:
        for one in shown:
            file = Path(folder, f"{one.figure_file}.png")
            file.write_bytes(one.png)
            log.artifact(file, "figures")
    log.table("reproduction", result.table)
    records = result.table.to_json(orient="records", double_precision=15)
    log.json("tables/reproduction.json", json.loads(records))
    log.text("tables/reproduction.md", markdown(readable(judged)))
    log.text("tables/reproduction.tex", latex(readable(judged)))
    log.table("correlations", result.correlations)
    for answer in itertools.chain.from_iterable(answers.values()):
        log.table(answer.file_name, answer.frame)
    log.metrics(headlines(judged))
    log.tags({"verdict": page.counted(judged)})


def headlines(judged: Sequence[Row]) -> dict[str, float]:
    """The metrics of the run: how many experiments are what, and how far they lie.

    ``tables/reproduction.csv`` has every experiment.
    """
    rows = [row for row in judged if row.selection == LAST]
    kinds = Counter(row.judgement.kind for row in rows)
    distances = [abs(row.difference) for row in rows if row.interval]
    found = {f"experiments/{kind}": float(kinds[kind]) for kind in _COUNTED}
    if distances:
        found["accuracy_difference/mean"] = sum(distances) / len(distances)
        found["accuracy_difference/largest"] = max(distances)
    return found


def _shared(request: Request) -> dict[str, Any]:
    """The settings of every training, but for task, variant and seed."""
    own = {"task", "variant", "seed", "also_evaluate"}
    return {
        name: value
        for name, value in values_of(request.settings).items()
        if name not in own and value is not None
    }


def _recipe(settings: TrainSettings) -> str:
    """How the members were trained, beside the paper's way."""
    usual = values_of(TrainSettings())
    # Where it is computed changes rounding alone.
    told = {
        k: v for k, v in values_of(settings).items() if k not in {"device", "threads"}
    }
    changed = [f"{k}={v}" for k, v in told.items() if v != usual.get(k)]
    return f"trained with {', '.join(changed)}" if changed else "the paper's recipe"


def _description(suite: Suite) -> str:
    request = suite.request
    return (
        f"The experiments of [{SOURCE}](https://arxiv.org/abs/2603.10573), "
        f"seeds {shown_seeds(request.seeds)}: open `{PAGE}` among the artifacts. "
        f"{len(suite.finished)} of {len(request.members)} members had been trained "
        f"before (`{MEMBERS}`)."
    )
