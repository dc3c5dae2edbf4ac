"""The report of an ablation: its table and verdicts, and variants side by side."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import pandas as pd

from icl_mlflow.analysis.ablation.decision import SMALLEST_OF_INTEREST, Kind
from icl_mlflow.analysis.ablation.figures import CURVES, FOREST
from icl_mlflow.analysis.ablation.grid import CELL, labels
from icl_mlflow.analysis.ablation.grid import headline as grid_headline
from icl_mlflow.analysis.ablation.grid import sentences as grid_sentences
from icl_mlflow.analysis.ablation.table import readable
from icl_mlflow.analysis.caption import CaptionedFigure
from icl_mlflow.analysis.report.page import Command, Report, Results, Source
from icl_mlflow.analysis.report.section import Section, figure_section

_QUESTIONS = {
    FOREST: "What does each variant cost, seed by seed?",
    CURVES: "Which variants leave the plateau, and when?",
}
_OF_GRID = "How far is each cell from its own exact Bayes: {variant}?"
_HOW_COMPARED = (
    "Numbers are means over seeds; in brackets the lowest and the highest seed or, "
    "from six seeds on, where their median lies. A variant is compared with the "
    "baseline seed by seed, on the same test episodes: excess risk over its own "
    "ceiling (an ideal learner of its training) minus the baseline's over its own. "
    f"Differences within {SMALLEST_OF_INTEREST} nats count as none."
)
_HOW_SURE = (
    "Verdicts are decided together, with Holm's correction: of suites without any "
    "effect at most one in twenty has a false “hurt” or “helped”, and one in twenty a "
    "false “plateau”."
)


def counted(table: pd.DataFrame) -> str:
    """How many variants have which verdict: ``2 hurt, 1 plateau, 1 undecided``."""
    words = Counter(table.loc[~table["is_baseline"].astype(bool), "verdict"])
    told = [f"{words[str(kind)]} {kind}" for kind in Kind if words[str(kind)]]
    return ", ".join(told) or "nothing to compare with the baseline"


def headline(table: pd.DataFrame) -> str:
    """The verdicts counted, in a clause; of a grid, where it is best and worst."""
    if CELL in table:
        return grid_headline(table)
    n_variants = int((~table["is_baseline"].astype(bool)).sum())
    return f"Of {n_variants} variants beside the baseline: {counted(table)}"


def sections(
    table: pd.DataFrame, figures: Mapping[str, CaptionedFigure]
) -> list[Section]:
    """The figures, each with its question and the verdicts on all variants.

    Args:
        table: of `icl_mlflow.analysis.ablation.verdict.with_verdicts`.
        figures: of `icl_mlflow.analysis.ablation.figures.drawn`.
    """
    names = labels(table)
    took_off = {
        name: f"{int(row['took_off'])} of {int(row['n_seeds'])} seeds "
        "took off" + _when(row["take_off_epoch"])
        for name, row in zip(names, table.to_dict("records"), strict=True)
    }
    verdicts = {FOREST: dict(zip(names, table["sentence"], strict=True))}
    verdicts |= {CURVES: took_off}
    found = []
    for name, figure in figures.items():
        variant = name.partition("-")[2]
        of_grid = table[table["variant"] == variant] if variant else table
        question = _QUESTIONS.get(name) or _OF_GRID.format(variant=variant)
        told = verdicts.get(name) or grid_sentences(of_grid)
        found.append(figure_section(name, question, told, figure))
    return found


def report(
    *,
    title: str,
    table: pd.DataFrame,
    shown: Sequence[Section],
    members: pd.DataFrame,
    missing: Sequence[str],
    n_episodes: int,
    settings: Mapping[str, object],
    commands: Sequence[Command],
    sources: Sequence[Source],
    made_with: Mapping[str, str],
) -> Report:
    """The page.

    Args:
        title: task and seeds.
        table: of `icl_mlflow.analysis.ablation.verdict.with_verdicts`.
        shown: of `sections`.
        members: one row a member: where its run is.
        missing: members that did not finish.
        n_episodes: of the test.
        settings: of every training.
        commands: how to make it again.
        sources: the runs.
        made_with: versions by name.
    """
    return Report(
        kind="icl-mlflow ablation",
        title=title,
        lead=f"{headline(table)}.",
        episodes=(
            f"Every member is tested on the same {n_episodes:,} episodes, as its "
            "variant shows them."
        ),
        models=members,
        sections=shown,
        refusals=(),
        commands=commands,
        settings=settings,
        sources=sources,
        made_with=made_with,
        results=Results(
            title="What each variant costs",
            notes=(_HOW_COMPARED, _HOW_SURE),
            tables={"tables/ablation.md": readable(table).drop(columns="verdict")},
            sentences=dict(zip(labels(table), table["sentence"], strict=True)),
            missing=missing,
        ),
    )


def _when(epoch: float) -> str:
    return "" if math.isnan(epoch) else f", at epoch {epoch:g} (median)"
