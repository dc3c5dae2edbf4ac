"""What an analysis leaves says of every number which models it is about."""

import pandas as pd
from matplotlib.figure import Figure

from icl_mlflow.analysis.report.answer import Answer
from icl_mlflow.statistics import Interval
from icl_mlflow.workflows.analysis.log import frames, numbers_table
from tests.analysis.conftest import subject_of

__all__ = ["subject_of"]


def answer(analysis: str, group: str, **numbers: Interval) -> Answer:
    return Answer(
        analysis=analysis,
        group=group,
        question="Is it?",
        verdict="It is.",
        numbers=numbers,
        frame=pd.DataFrame({"model": [f"A-{group}-seed0"], "value": [0.5]}),
        headline=next(iter(numbers)),
        draw=lambda _frame: Figure(),
    )


TWO = [
    answer("calibration", "baseline", ece=Interval(0.1, 0.05, 0.15, 2)),
    answer("calibration", "no_labels", ece=Interval(0.2, 0.2, 0.2, 1)),
    answer("scoreboard", "", accuracy=Interval(0.7, 0.6, 0.8, 3)),
]


def test_the_tables_of_one_analysis_are_joined() -> None:
    found = frames(TWO)
    assert list(found) == ["calibration", "scoreboard"]
    models = list(found["calibration"]["model"])
    assert models == ["A-baseline-seed0", "A-no_labels-seed0"]
    assert list(found["calibration"].index) == [0, 1]


def test_every_number_has_its_analysis_group_and_interval() -> None:
    assert numbers_table(TWO).to_numpy().tolist() == [
        ["calibration", "baseline", "ece", 0.1, 0.05, 0.15, 2],
        ["calibration", "no_labels", "ece", 0.2, 0.2, 0.2, 1],
        ["scoreboard", "", "accuracy", 0.7, 0.6, 0.8, 3],
    ]
    assert list(numbers_table([]).columns)[:3] == ["analysis", "group", "number"]
