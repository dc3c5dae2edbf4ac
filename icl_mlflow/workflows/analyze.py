"""Put questions to the registered models of a run, and log the answers as a new run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pandas as pd

from icl_mlflow.analysis.base import Subject
from icl_mlflow.analysis.report.card import card
from icl_mlflow.analysis.report.page import Refusal
from icl_mlflow.analysis.settings import AnalyzeSettings
from icl_mlflow.analysis.subject import subjects
from icl_mlflow.tracking.models.sources import (
    ReferencedModels,
    pull,
    pull_checkpoints,
)
from icl_mlflow.tracking.store.connection import Store, connect, open_client
from icl_mlflow.workflows.analysis.answers import verdicts
from icl_mlflow.workflows.analysis.asking import answers_to, refusals_of
from icl_mlflow.workflows.analysis.checkpoints import courses_of
from icl_mlflow.workflows.analysis.log import frames, log_analysis
from icl_mlflow.workflows.analysis.measure import measure_all
from icl_mlflow.workflows.analysis.origin import origin_of
from icl_mlflow.workflows.analysis.training_history import training_answers


@dataclass(frozen=True, kw_only=True, repr=False)
class AnalysisResult:
    """Finished analyses.

    Attributes:
        run_id: of the new run that holds them.
        numbers: by tracked name: ``llr_regression/bayes_slope``; over several models
            the mean, with ``.../low`` and ``.../high``.
        frames: by analysis, the tables of all models, told apart by column ``model``.
        answers: by analysis, then by variant (empty where there is but one), the
            verdict in a sentence.
        refusals: what could not be asked, and why.
        ui_link: the new run's page in the UI.
        report_link: its report there.
    """

    run_id: str
    numbers: Mapping[str, float]
    frames: Mapping[str, pd.DataFrame]
    answers: Mapping[str, Mapping[str, str]]
    refusals: tuple[Refusal, ...]
    ui_link: str
    report_link: str

    @property
    def verdicts(self) -> dict[str, str]:
        """By analysis (and variant, where there are several), in a sentence."""
        return {
            "-".join(filter(None, (name, group))): verdict
            for name, told in self.answers.items()
            for group, verdict in told.items()
        }

    def __repr__(self) -> str:
        return f"AnalysisResult({', '.join(self.verdicts)}; run {self.run_id})"

    def _repr_html_(self) -> str:
        return card("Analyses", {"run": self.run_id, **self.verdicts}, self.ui_link)


@dataclass(frozen=True, kw_only=True)
class Questions:
    """What is asked of which models, all of which have been pulled and checked.

    Attributes:
        settings: what was asked for.
        pulled: the models.
        subjects: the models with their episodes.
        analyses: the name of a model to the analyses that can be put to it.
        refusals: those that cannot.
    """

    settings: AnalyzeSettings
    pulled: ReferencedModels
    subjects: tuple[Subject, ...]
    analyses: Mapping[str, tuple[str, ...]]
    refusals: tuple[Refusal, ...]

    @property
    def n_measurements(self) -> int:
        """Over all models."""
        return sum(len(names) for names in self.analyses.values())


@dataclass(frozen=True, kw_only=True)
class PreparedAnalysis:
    """Questions that can be put, and the store where the answers go."""

    questions: Questions
    store: Store


def prepare(settings: AnalyzeSettings) -> PreparedAnalysis:
    """Pull the models and check the questions; what the user can mend is refused here.

    Raises:
        ValueError, StoreError: as for `icl_mlflow.api.analyze`.
    """
    found = questions(settings)
    store = connect(settings.experiment, found.pulled.experiment)
    return PreparedAnalysis(questions=found, store=store)


def questions(settings: AnalyzeSettings) -> Questions:
    """What would be asked of which models; needs no right to write.

    Raises:
        ValueError, StoreError: as for `icl_mlflow.api.analyze`.
    """
    client = open_client()
    find = pull_checkpoints if settings.checkpoints else pull
    pulled = find(client, settings.source)
    asked_subjects = tuple(subjects(pulled.trained_models, settings.request))
    refusals = refusals_of(settings, asked_subjects)
    refused = {(refusal.analysis, refusal.model) for refusal in refusals}
    return Questions(
        settings=settings,
        pulled=pulled,
        subjects=asked_subjects,
        analyses={
            subject.name: tuple(
                name for name in settings.names if (name, subject.name) not in refused
            )
            for subject in asked_subjects
        },
        refusals=refusals,
    )


def carry_out(
    prepared: PreparedAnalysis,
    on_analysis: Callable[[], None] = lambda: None,
    *,
    parent_run_id: str | None = None,
) -> AnalysisResult:
    """Measure, answer and log.

    Args:
        prepared: from `prepare`.
        on_analysis: called after every analysis of every model.
        parent_run_id: of a run that this one is a step of.
    """
    asked, store = prepared.questions, prepared.store
    settings = asked.settings
    origin = origin_of(store, settings, asked.pulled, asked.subjects)
    with log_analysis(
        store, settings, origin, asked.subjects, parent_run_id=parent_run_id
    ) as logger:
        answered = measure_all(
            asked.subjects,
            settings.request,
            asked.analyses,
            jobs=settings.jobs,
            on_analysis=on_analysis,
        )
        if settings.checkpoints:
            found, series = courses_of(settings.names, asked.pulled, answered)
            logger.log_answers(found, asked.refusals, series)
        else:
            found = training_answers(store, asked.pulled)
            found += answers_to(settings, answered)
            logger.log_answers(found, asked.refusals)
    return AnalysisResult(
        run_id=logger.run_id,
        numbers={k: v for answer in found for k, v in answer.metrics.items()},
        frames=frames(found),
        answers=verdicts(found),
        refusals=asked.refusals,
        ui_link=logger.ui_link,
        report_link=logger.report_link,
    )
