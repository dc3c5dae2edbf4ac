"""The reproduction as one page: the table, its figures, and the paper's questions."""

from collections import Counter
from collections.abc import Mapping, Sequence

import pandas as pd

from icl_mlflow.analysis.caption import CaptionedFigure, caption
from icl_mlflow.analysis.report.answer import Answer
from icl_mlflow.analysis.report.page import (
    Command,
    Report,
    Results,
    Source,
)
from icl_mlflow.analysis.report.section import Section, figure_section, section
from icl_mlflow.reproduction import figures
from icl_mlflow.reproduction.judgement import NEAR, Kind
from icl_mlflow.reproduction.paper import SHIFT, SOURCE
from icl_mlflow.reproduction.table import LAST, Found, Row, readable

FOREST, CURVES = "papers_table", "learning_curves"
_TITLE = "The paper's table, and ours"


def counted(rows: Sequence[Row]) -> str:
    """How many experiments are what, in a clause.

    The further rows of ``task_A_OOD`` do not count.
    """
    judged = [row.judgement.kind for row in rows if row.selection == LAST]
    words = Counter(judged)
    told = [
        f"{words[kind]} {kind}"
        for kind in (Kind.REPRODUCED, Kind.DIFFERS, Kind.UNDECIDED, Kind.MISSING)
        if words[kind] or kind is Kind.REPRODUCED
    ]
    return f"of {len(judged)} experiments {', '.join(told)}"


def drawn(found: Found, rows: Sequence[Row], title: str) -> dict[str, CaptionedFigure]:
    """The figures that are the reproduction's own, by file name."""
    judged = [row for row in rows if row.selection == LAST]
    members = [
        found.members[row.published.experiment.task, row.published.experiment.variant]
        for row in judged
    ]
    models = [
        f"{task}-{variant}-seed{course.seed}"
        for (task, variant), courses in found.members.items()
        for course in courses
    ]
    forest, curves = figures.forest, figures.learning_curves
    n, kind = found.n_episodes, "validation episodes"
    return {
        FOREST: CaptionedFigure(forest(rows, title), caption(forest, models, n, kind)),
        CURVES: CaptionedFigure(
            curves(judged, members, title), caption(curves, models, n, kind)
        ),
    }


def sections(
    own: Mapping[str, CaptionedFigure],
    rows: Sequence[Row],
    answers: Mapping[str, Sequence[Answer]],
) -> list[Section]:
    """The figures with what they say, the paper's questions by task behind them.

    Args:
        own: of `drawn`.
        rows: of the table.
        answers: by task.
    """
    told = {
        FOREST: ("Does the paper's table come out again?", f"{counted(rows)}."),
        CURVES: (
            "How did every training go?",
            "Every seed, their median and band; the paper's last epoch as a diamond.",
        ),
    }
    first = []
    for name, shown in own.items():
        question, said = told[name]
        verdicts = {"": said[0].upper() + said[1:]}
        first.append(figure_section(name, question, verdicts, shown))
    return first + [section(one) for each in answers.values() for one in each]


def report(
    *,
    rows: Sequence[Row],
    found: Found,
    shown: Sequence[Section],
    correlations: pd.DataFrame,
    members: pd.DataFrame,
    missing: Sequence[str],
    settings: Mapping[str, object],
    recipe: str,
    commands: Sequence[Command],
    sources: Sequence[Source],
    made_with: Mapping[str, str],
) -> Report:
    """The page.

    Args:
        rows: of the table.
        found: what they rest on.
        shown: its sections.
        correlations: beside those of the paper's figures.
        members: the trainings.
        missing: what is not there, and how it comes.
        settings: of every training.
        recipe: in words.
        commands: how to make it again.
        sources: where it all is.
        made_with: versions by name.
    """
    courses = [course for each in found.members.values() for course in each]
    n_untested = sum(not course.is_finished for course in courses)
    untested = (
        f"; {n_untested} of them were ended then, before their test, so their "
        "accuracies stand and models of them do not"
    )
    headline = counted(rows)
    return Report(
        kind="icl-mlflow reproduction",
        title=f"{SOURCE}, reproduced",
        lead=f"{headline[0].upper()}{headline[1:]}; {recipe}.",
        episodes=(
            f"{len(courses)} of {len(found.members) * len(found.seeds)} trainings have "
            f"come through their last epoch{untested if n_untested else ''}. All of a "
            f"task are validated on the same {found.n_episodes:,} episodes, whatever "
            "their seed, so the seeds do not spread as those episodes would."
        ),
        models=members,
        sections=shown,
        refusals=(),
        commands=commands,
        settings=settings,
        sources=sources,
        made_with=made_with,
        results=Results(
            title=_TITLE,
            notes=notes(found),
            tables={
                "Accuracy on the validation episodes after the last epoch, unless said "
                "otherwise": readable(rows),
                "Correlations in the paper's figures": correlations,
            },
            sentences={row.name: str(row.judgement) for row in rows},
            missing=missing,
        ),
    )


def notes(found: Found) -> list[str]:
    """How the table is to be read."""
    return [
        (
            "Reproduced: the paper's mean lies inside our interval and within "
            f"{NEAR:g} of our mean. Our interval is the range of the seeds or, from "
            "six seeds on, where their median lies; the paper's is 1.96 standard "
            "errors of three seeds. The range of three seeds holds the median of what "
            "they are drawn from with chance .75, so among fifteen rows that are alike "
            "some differ by chance alone."
        ),
        (
            "Exact Bayes is the accuracy of the best possible answer given all that "
            "evaluation shows; no model has a higher one in expectation. The paper's "
            "own ceiling, the likelihood ratio with the latents known, is higher and "
            "out of reach."
        ),
        (
            "task_A_OOD is task_A_regular evaluated at tau = 9 after every epoch "
            f"({SHIFT}). The paper's row is of the last epoch; the checkpoints that it "
            "published for it are of the epoch that was best on the shifted episodes, "
            "which is a leak: the choice has seen what it is judged on. Both choices "
            "stand below it."
        ),
        (
            "context_increase kept 32 context points and doubled the position table: "
            f"it is the variant wide_position_table. Seeds asked for: "
            f"{', '.join(map(str, found.seeds))}."
        ),
    ]
