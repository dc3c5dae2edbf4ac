"""Judge whatever predicts by exact Bayes: the questions that need not look inside."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import pandas as pd
from matplotlib.figure import Figure

from icl_mlflow.analysis.base import Subject
from icl_mlflow.analysis.report.answer import Answer
from icl_mlflow.analysis.report.card import card
from icl_mlflow.analysis.report.page import Command, Refusal
from icl_mlflow.analysis.subject import asked_episodes
from icl_mlflow.escaping import markdown_code
from icl_mlflow.evaluation import Predictor
from icl_mlflow.scoring.settings import ScoreSettings
from icl_mlflow.settings import values_of
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.training.problem import problem
from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.workflows.analysis.answers import verdicts
from icl_mlflow.workflows.analysis.asking import answers_to, refusals_of
from icl_mlflow.workflows.analysis.log import frames, log_analysis
from icl_mlflow.workflows.analysis.measure import measure
from icl_mlflow.workflows.analysis.origin import Origin


@dataclass(frozen=True, kw_only=True, repr=False)
class Score:
    """What was found of a predictor.

    Attributes:
        name: of the predictor.
        found: an answer to every question.
        refusals: what could not be asked, and why.
        run_id: of the run that holds it; empty if it was not logged.
        ui_link: that run's page in the UI.
        report_link: its report there.
    """

    name: str
    found: tuple[Answer, ...]
    refusals: tuple[Refusal, ...]
    run_id: str = ""
    ui_link: str = ""
    report_link: str = ""

    @property
    def numbers(self) -> dict[str, float]:
        """By tracked name, such as ``scoreboard/excess_risk`` and ``.../low``."""
        return {k: v for answer in self.found for k, v in answer.metrics.items()}

    @property
    def frames(self) -> Mapping[str, pd.DataFrame]:
        """The table of every analysis."""
        return frames(self.found)

    @property
    def answers(self) -> Mapping[str, Mapping[str, str]]:
        """Verdicts by analysis and variant; there is none, so that is empty."""
        return verdicts(self.found)

    @property
    def verdicts(self) -> dict[str, str]:
        """By analysis, in a sentence."""
        return {answer.analysis: answer.verdict for answer in self.found}

    def figure(self, analysis: str) -> Figure:
        """The figure of an analysis.

        Raises:
            KeyError: it was not asked.
        """
        return {answer.analysis: answer for answer in self.found}[analysis].figure

    def __repr__(self) -> str:
        return f"Score({self.name}: {', '.join(self.verdicts)})"

    def _repr_html_(self) -> str:
        return card(self.name, self.verdicts, self.ui_link)


@dataclass(frozen=True, kw_only=True)
class PreparedScore:
    """Questions that can be put to a predictor; nothing has been asked yet."""

    settings: ScoreSettings
    subject: Subject
    analyses: tuple[str, ...]
    refusals: tuple[Refusal, ...]


def prepare_score(
    predictor: Predictor, settings: ScoreSettings, name: str
) -> PreparedScore:
    """Draw the episodes and find out what can be asked.

    Args:
        predictor: whatever answers log-odds.
        settings: what is asked.
        name: of the predictor, for readers.

    Raises:
        ValueError: settings that contradict each other, or an analysis asked for by
            name that looks inside.
    """
    training = TrainSettings(**settings.training)
    chosen = problem(training)
    subject = Subject(
        name=name,
        predictor=predictor,
        transformer=None,
        settings=training,
        problem=chosen,
        task=chosen.task,
        truth=asked_episodes(chosen.task, chosen, settings.request),
        seed=settings.seed,
    )
    refusals = refusals_of(settings, [subject])
    refused = {refusal.analysis for refusal in refusals}
    return PreparedScore(
        settings=settings,
        subject=subject,
        analyses=tuple(one for one in settings.names if one not in refused),
        refusals=refusals,
    )


def carry_out_score(
    prepared: PreparedScore,
    on_analysis: Callable[[], None] = lambda: None,
    *,
    store: Store | None = None,
) -> Score:
    """Ask, and log the answers as a run where a store is given."""
    if store is None:
        return _asked(prepared, on_analysis)
    origin = _origin(prepared)
    subjects = [prepared.subject]
    with log_analysis(store, prepared.settings, origin, subjects) as log:
        found = _asked(prepared, on_analysis)
        log.log_answers(found.found, found.refusals)
    return replace(
        found, run_id=log.run_id, ui_link=log.ui_link, report_link=log.report_link
    )


def _asked(prepared: PreparedScore, on_analysis: Callable[[], None]) -> Score:
    answered = measure(prepared.subject, prepared.analyses, on_analysis)
    return Score(
        name=prepared.subject.name,
        found=tuple(answers_to(prepared.settings, [answered])),
        refusals=prepared.refusals,
    )


def _origin(prepared: PreparedScore) -> Origin:
    settings, name = prepared.settings, prepared.subject.name
    given = {k: v for k, v in values_of(settings).items() if v is not None}
    again = ", ".join(f"{k}={v!r}" for k, v in given.items() if k != "experiment")
    return Origin(
        run_name=f"{settings.task}-score",
        title=f"{name}, task {settings.task}",
        description=f"Score of {markdown_code(name)}, task {settings.task}.",
        models=pd.DataFrame([{"model": name, "task": settings.task}]),
        tags={"source_models": name, "task": settings.task},
        commands=[
            Command(
                "In Python, with the predictor",
                f"from icl_mlflow import score\nscore(predictor, {again})",
            )
        ],
    )
