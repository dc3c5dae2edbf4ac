"""The report of an ablation has the table, every verdict, and what is missing."""

import pandas as pd

from icl_mlflow.analysis import style
from icl_mlflow.analysis.ablation import effects, page
from icl_mlflow.analysis.ablation.figures import CURVES, FOREST
from icl_mlflow.analysis.ablation.verdict import with_verdicts
from icl_mlflow.analysis.caption import CaptionedFigure
from icl_mlflow.analysis.report.page import Report, render
from tests.analysis.ablation.planted import CHANCE, FULL, member, pair


def judged() -> pd.DataFrame:
    members = pair("worse", [0.1, 0.11, 0.09])
    members += [member("no_labels", seed, 0.5, took_off=False) for seed in range(3)]
    tops = {"baseline": FULL, "worse": FULL, "no_labels": CHANCE}
    return with_verdicts(effects.measure(members, tops))


def made(table: pd.DataFrame) -> Report:
    figures = {
        name: CaptionedFigure(style.figure()[0], f"What {name} shows.")
        for name in (FOREST, CURVES)
    }
    return page.report(
        title="Task A, seeds 0-4",
        table=table,
        shown=page.sections(table, figures),
        members=pd.DataFrame({"variant": ["baseline"], "run_id": ["4f2a"]}),
        missing=["A-hurt-seed3 did not finish"],
        n_episodes=1_000,
        settings={"task": "A"},
        commands=[],
        sources=[],
        made_with={"icl-mlflow": "0"},
    )


def test_verdicts_are_counted_without_the_baseline() -> None:
    table = judged()
    told = page.headline(table)
    assert told.startswith(f"Of {len(table) - 1} variants beside the baseline: ")
    words = table.loc[table["variant"] != "baseline", "verdict"].value_counts()
    for word, count in words.items():
        assert f"{count} {word}" in told


def test_the_page_has_every_sentence_and_names_what_failed() -> None:
    table = judged()
    text = render(made(table))
    for sentence in table["sentence"]:
        assert sentence.partition(":")[0] in text
    assert "A-hurt-seed3 did not finish" in text
    assert text.count("data:image/png;base64,") == 2
    assert all(f"<figcaption>What {name} shows." in text for name in (FOREST, CURVES))
    assert "took off" in text
