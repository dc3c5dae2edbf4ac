"""What is asked of whom: which questions do not apply, and what came of the others."""

from collections.abc import Sequence

from icl_mlflow.analysis import ANALYSES
from icl_mlflow.analysis.base import Subject
from icl_mlflow.analysis.report.answer import Answer, answers
from icl_mlflow.analysis.report.page import Refusal
from icl_mlflow.analysis.selection import Selecting
from icl_mlflow.registry import BrokenPluginError
from icl_mlflow.workflows.analysis.measure import Answered


def refusals_of(
    settings: Selecting, asked_subjects: Sequence[Subject]
) -> tuple[Refusal, ...]:
    """What cannot be asked of whom.

    Raises:
        ValueError: somebody asked for an analysis by name, and no model can be asked.
    """
    found: list[Refusal] = []
    for name in settings.names:
        refused = [
            Refusal(analysis=name, model=subject.name, reason=reason)
            for subject in asked_subjects
            if (reason := _reason(name, subject))
        ]
        is_named = name in settings.named
        if is_named and len(refused) == len(asked_subjects):
            raise ValueError(
                f"{name} cannot be asked of {refused[0].model}: {refused[0].reason}"
            )
        found += refused
    return tuple(found)


def _reason(name: str, subject: Subject) -> str | None:
    """Why this analysis cannot be asked of a model, if so."""
    try:
        return ANALYSES[name].refuses(subject)
    except BrokenPluginError as error:
        return str(error)


def answers_to(settings: Selecting, answered: list[Answered]) -> list[Answer]:
    """The answers of all models together, in the order of the questions."""
    found: list[Answer] = []
    groups = {one.group for each in answered for one in each.values()}
    for name in settings.names:
        measured = [each[name] for each in answered if name in each]
        if measured:
            found += answers(name, ANALYSES[name], measured, of_suite=len(groups) > 1)
    return found
