"""A run of an analysis has few metrics, under the same names for one and for many."""

import pandas as pd
from matplotlib.figure import Figure

from icl_mlflow.analysis.report.answer import Answer
from icl_mlflow.analysis.report.page import Refusal
from icl_mlflow.statistics import Interval
from icl_mlflow.training.metrics import MOST_METRICS
from icl_mlflow.workflows.analysis.answers import described, headlines, merged


def answer(analysis: str, group: str, value: float) -> Answer:
    return Answer(
        analysis=analysis,
        group=group,
        question=f"{analysis}?",
        verdict=f"Yes: it is {value}.",
        numbers={"size": Interval(value, 0.0, 1.0, 2), "other": Interval(9, 9, 9, 1)},
        headline="size",
        frame=pd.DataFrame(),
        draw=lambda _frame: Figure(),
    )


def test_a_question_is_one_metric_whoever_was_asked() -> None:
    alone = [answer("lens", "", 0.5)]
    suite = [answer("lens", "no_labels", 0.1), answer("lens", "baseline", 0.5)]
    without = [answer("lens", "no_labels", 0.1), answer("lens", "hidden", 0.2)]
    assert headlines(alone) == headlines(suite) == {"lens/size": 0.5}
    assert headlines(without) == {"lens/size": 0.1}


def test_more_questions_than_metrics_leave_the_last_to_the_table() -> None:
    many = [answer(f"question{i}", "", i) for i in range(30)]
    found = headlines(many)
    assert len(found) == MOST_METRICS
    assert list(found)[-1] == f"question{MOST_METRICS - 1}/size"


def test_one_model_is_answered_in_sentences_and_a_suite_in_a_table() -> None:
    one = described("Analysis of A.", [answer("lens", "", 0.5)], "http://x/report")
    assert "(http://x/report)" in one
    assert "- **lens?** Yes: it is 0.5." in one
    suite = [
        answer("lens", "baseline", 0.5),
        answer("lens", "no_labels", 0.1),
        answer("heads", "baseline", 0.5),
    ]
    told = described("Analysis of A.", suite, "http://x/report")
    assert "| question | baseline | no_labels |" in told
    assert "| lens? | Yes | Yes |" in told
    assert "| heads? | Yes | not asked |" in told


def test_models_that_refuse_alike_share_a_line() -> None:
    asked = {"ov": ["one", "two"], "qk": ["one", "two", "three"]}
    refusals = [
        Refusal(analysis=name, model=model, reason=f"{model} embeds no labels")
        for name, models in asked.items()
        for model in models
    ]
    alone = Refusal(analysis="lens", model="two", reason="two has one layer")
    told = merged([*refusals, alone], n_models=3)
    assert [(each.analysis, each.model, each.reason) for each in told] == [
        ("ov", "one, two", "embeds no labels"),
        ("qk", "", "embeds no labels"),
        ("lens", "two", "two has one layer"),
    ]
