"""The run that holds an analysis: numbers, tables, figures and the report."""

import datetime
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import torch

from icl_mlflow.analysis.base import Subject
from icl_mlflow.analysis.report.answer import Answer
from icl_mlflow.analysis.report.description import costly_text, episodes_text
from icl_mlflow.analysis.report.page import (
    Refusal,
    Report,
    Source,
    render,
)
from icl_mlflow.analysis.report.section import Section, sections_of
from icl_mlflow.analysis.settings import AnalyzeSettings
from icl_mlflow.analysis.subject import STREAM
from icl_mlflow.scoring.settings import ScoreSettings
from icl_mlflow.settings import values_of
from icl_mlflow.tracking.local.temporary import temporary_folder
from icl_mlflow.tracking.runs.lifecycle import RunLog, open_run
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.training.datasets import Dataset, episodes_profile, profile_digest
from icl_mlflow.version import VERSION
from icl_mlflow.workflows.analysis.answers import described, headlines, merged
from icl_mlflow.workflows.analysis.origin import Origin

_REPORT = "report.html"

#: The one tag that a source run gets: its latest analysis.
LINK_TAG = "analysis_run_id"

#: What may have been asked for.
Asked = AnalyzeSettings | ScoreSettings
#: Metrics by step.
Series = Sequence[tuple[int, Mapping[str, float]]]


class AnalysisLog:
    """Logs one analysis.

    Attributes:
        run_id: of the new run.
        ui_link: its page in the UI.
        report_link: its report there.
    """

    def __init__(
        self,
        log: RunLog,
        settings: Asked,
        origin: Origin,
        asked_subjects: Sequence[Subject],
    ) -> None:
        self.run_id = log.run_id
        self.ui_link = log.ui_link()
        self.report_link = log.store.run_link(log.run_id, _REPORT)
        self._log = log
        self._settings = settings
        self._origin = origin
        self._subjects = asked_subjects

    def log_answers(
        self,
        found: Sequence[Answer],
        refusals: Sequence[Refusal],
        series: Series | None = None,
    ) -> None:
        """Metrics, tables, figures and the report; then the link from the source.

        Args:
            found: the answers.
            refusals: what could not be asked.
            series: the metrics by epoch, where checkpoints were asked; those of the
                answers if not given.
        """
        self._log.metric_series(series or [(0, headlines(found))])
        for name, frame in frames(found).items():
            self._log.table(name, frame)
        self._log.table("models", self._origin.models)
        self._log.table("numbers", numbers_table(found))
        sections = sections_of(found)
        self._log_figures(sections)
        report = self._report(sections, refusals)
        self._log.text(_REPORT, render(report))
        self._log.description(
            described(self._origin.description, found, self.report_link)
        )
        if source := self._origin.source:
            self._log.tags({LINK_TAG: self.run_id}, run_id=source.identity)

    def _log_figures(self, sections: Sequence[Section]) -> None:
        with temporary_folder() as folder:
            for one in sections:
                file = Path(folder, f"{one.figure_file}.png")
                file.write_bytes(one.png)
                self._log.artifact(file, "figures")

    def _report(
        self, sections: Sequence[Section], refusals: Sequence[Refusal]
    ) -> Report:
        asked, origin = self._settings, self._origin
        here = Source(what="results in run", identity=self.run_id, link=self.ui_link)
        given = {k: v for k, v in values_of(asked).items() if v is not None}
        return Report(
            kind="icl-mlflow analysis",
            title=origin.title,
            lead=(
                f"{len(self._subjects)} "
                f"{'model' if len(self._subjects) == 1 else 'models'}, "
                f"{asked.episodes:,} episodes with exact answers, "
                f"{len(sections)} questions."
            ),
            episodes=" ".join(
                [
                    *dict.fromkeys(map(episodes_text, self._subjects)),
                    costly_text([one.question for one in sections], asked.episodes),
                ]
            ),
            models=origin.models,
            sections=sections,
            by_topic=True,
            left_out=asked.left_out,
            refusals=merged(refusals, len(self._subjects)),
            commands=origin.commands,
            settings=given,
            sources=[*filter(None, [origin.source]), here],
            made_with={
                "icl-mlflow": VERSION,
                "torch": torch.__version__,
                "made": f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC",
            },
        )


@contextmanager
def log_analysis(
    store: Store,
    settings: Asked,
    origin: Origin,
    asked_subjects: Sequence[Subject],
    *,
    parent_run_id: str | None = None,
) -> Iterator[AnalysisLog]:
    """Open the run of an analysis, linked to its source."""
    params = {k: v for k, v in values_of(settings).items() if k != "experiment"}
    with open_run(
        store,
        name=origin.run_name,
        kind="analysis",
        params=params,
        tags=origin.tags,
        description=origin.description,
        parent_run_id=parent_run_id,
    ) as log:
        log.json("settings.json", values_of(settings))
        for used in {one.key: one for one in map(_dataset, asked_subjects)}.values():
            log.dataset(used)
        yield AnalysisLog(log, settings, origin, asked_subjects)


def frames(found: Sequence[Answer]) -> dict[str, pd.DataFrame]:
    """By analysis, the tables of all models, told apart by the column ``model``."""
    names = dict.fromkeys(answer.analysis for answer in found)
    return {
        name: pd.concat(
            [answer.frame for answer in found if answer.analysis == name],
            ignore_index=True,
        )
        for name in names
    }


def numbers_table(found: Sequence[Answer]) -> pd.DataFrame:
    """Every number of every answer, with its interval."""
    rows = [
        {
            "analysis": answer.analysis,
            "group": answer.group,
            "number": name,
            "mean": interval.mean,
            "low": interval.low,
            "high": interval.high,
            "models": interval.n,
        }
        for answer in found
        for name, interval in answer.numbers.items()
    ]
    columns = ["analysis", "group", "number", "mean", "low", "high", "models"]
    return pd.DataFrame(rows, columns=columns)


def _dataset(subject: Subject) -> Dataset:
    """The episodes that a model is asked about."""
    profile = episodes_profile(
        subject.settings.task,
        subject.task,
        n_context=subject.problem.n_context,
        shown=subject.problem.variant.on_eval.does,
        episodes=len(subject.truth),
        seed=subject.seed,
        stream=STREAM,
    )
    return Dataset(
        name=f"episodes-{subject.settings.task}",
        digest=profile_digest(profile),
        profile=profile,
        context="evaluation",
    )
