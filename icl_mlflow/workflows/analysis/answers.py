"""Answers in short: an analysis's verdicts, its run's metrics and description."""

from collections.abc import Sequence

import pandas as pd

from icl_mlflow.analysis.report.answer import Answer
from icl_mlflow.analysis.report.page import Refusal, opening
from icl_mlflow.escaping import for_markdown, markdown_link
from icl_mlflow.suite.grid import BASELINE
from icl_mlflow.tables import markdown
from icl_mlflow.training.metrics import MOST_METRICS


def verdicts(found: Sequence[Answer]) -> dict[str, dict[str, str]]:
    """By analysis, the verdict of every group of models, in a sentence."""
    told: dict[str, dict[str, str]] = {}
    for one in found:
        told.setdefault(one.analysis, {})[one.group] = one.verdict
    return told


def headlines(found: Sequence[Answer]) -> dict[str, float]:
    """The metrics of the run: a number a question, the first of those that fit.

    Of a suite of variants they are the baseline's, or of the first variant without one:
    under the same names as of a single model. ``tables/numbers.csv`` has all.
    """
    numbers: dict[str, float] = {}
    for one in found:
        for name, value in one.metric.items():
            if name not in numbers or one.group == BASELINE:
                numbers[name] = value
    return dict(list(numbers.items())[:MOST_METRICS])


def described(what: str, found: Sequence[Answer], report: str) -> str:
    """The description of the run: what was asked whom, the answers, the report.

    Args:
        what: was analyzed, in a sentence.
        found: the answers; of several groups of models as a table.
        report: its address.
    """
    link = markdown_link("Report: every answer, figure and number", report)
    is_suite = any(one.group for one in found)
    answers = _matrix(found) if is_suite else _lines(found)
    return "\n\n".join([what, link, answers])


def _lines(found: Sequence[Answer]) -> str:
    return "\n".join(
        f"- **{one.question}** {for_markdown(one.verdict)}" for one in found
    )


def _matrix(found: Sequence[Answer]) -> str:
    """A row a question, a column a group: yes, no, or that it cannot be told."""
    groups = dict.fromkeys(one.group for one in found)
    told = {(one.question, one.group): opening(one.verdict) for one in found}
    rows = [
        {
            "question": question,
            **{group: told.get((question, group), "not asked") for group in groups},
        }
        for question in dict.fromkeys(one.question for one in found)
    ]
    return markdown(pd.DataFrame(rows))


def merged(refusals: Sequence[Refusal], n_models: int = 0) -> list[Refusal]:
    """One refusal for all models with the same reason.

    Args:
        refusals: one a model, whose reason may begin with its name.
        n_models: that were asked; what all of them refuse names none.
    """
    alike: dict[tuple[str, str], list[Refusal]] = {}
    for one in refusals:
        reason = one.reason.removeprefix(f"{one.model} ")
        alike.setdefault((one.analysis, reason), []).append(one)
    found = []
    for (analysis, reason), each in alike.items():
        names = "" if len(each) == n_models else ", ".join(one.model for one in each)
        why = reason if len(each) > 1 else each[0].reason
        found.append(Refusal(analysis=analysis, model=names, reason=why))
    return found
