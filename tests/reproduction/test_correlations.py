"""The paper's correlations stand beside the numbers of the same analyses."""

import math

import pandas as pd
from matplotlib.figure import Figure

from icl_mlflow.analysis.report.answer import Answer
from icl_mlflow.reproduction.correlations import correlations
from icl_mlflow.reproduction.paper import CORRELATIONS
from icl_mlflow.statistics import Interval


def test_each_finds_its_number_by_task_and_analysis() -> None:
    answer = Answer(
        analysis="llr_regression",
        group="B",
        question="",
        verdict="",
        numbers={"llr_pearson": Interval(0.6, 0.5, 0.7, 3)},
        headline="llr_pearson",
        frame=pd.DataFrame(),
        draw=lambda _frame: Figure(),
    )
    frame = correlations({"B": [answer]}).set_index("correlation")
    assert list(frame["paper, one model"]) == [each.value for each in CORRELATIONS]
    row = frame.loc["B: logit and LLR, Pearson"]
    assert (row["ours, mean"], row["low"], row["models"]) == (0.6, 0.5, 3)
    absent = frame.loc["A: logit and LLR, Pearson"]
    assert math.isnan(absent["ours, mean"])
    assert absent["models"] == 0
