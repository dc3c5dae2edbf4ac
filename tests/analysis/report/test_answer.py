"""Seeds are averaged, variants are not."""

import math

import pandas as pd
import pytest
from matplotlib.figure import Figure

from icl_mlflow.analysis.base import Analysis
from icl_mlflow.analysis.findings import Conclusion
from icl_mlflow.analysis.report.answer import Answer, Measurement, answers, over_models

PLANTED = Analysis(
    question="How large is it?",
    measure=lambda _subject: pd.DataFrame(),
    summarise=lambda frame: {"size": float(frame["size"].mean())},
    draw=lambda frame: Figure(label=",".join(frame["model"].unique())),
    verdict=lambda found: Conclusion(True, f"it is {found['size']:.1f}"),
)


def measured(variant: str, seed: int, size: float) -> Measurement:
    frame = pd.DataFrame({"size": [size - 1, size + 1]})
    return Measurement(
        model=f"A-{variant}-seed{seed}",
        group=variant,
        frame=frame,
        numbers=PLANTED.summarise(frame),
    )


def test_seeds_of_one_variant_are_one_answer_with_their_range() -> None:
    sizes = [2.0, 3.0, 7.0]
    three = [measured("baseline", seed, size) for seed, size in enumerate(sizes)]
    (answer,) = answers("planted", PLANTED, three)
    assert answer.verdict == "Yes: it is 4.0."
    assert answer.file_name == "planted"
    assert answer.metrics == pytest.approx(
        {
            "planted/size": 4.0,
            "planted/size/low": 2.0,
            "planted/size/high": 7.0,
        }
    )
    assert list(answer.frame) == ["model", "size"]
    assert answer.frame["model"].nunique() == 3
    assert answer.figure.get_label().count("seed") == 3


def test_variants_are_kept_apart() -> None:
    both = [
        measured("baseline", 0, 2.0),
        measured("no_position", 0, 5.0),
        measured("no_position", 1, 7.0),
    ]
    baseline, no_position = answers("planted", PLANTED, both)
    assert baseline.metrics == {"baseline/planted/size": 2.0}
    assert no_position.metrics["no_position/planted/size"] == 6.0
    assert no_position.file_name == "planted-no_position"
    assert set(baseline.frame["model"]) == {"A-baseline-seed0"}
    assert list(no_position.headlines) == [5.0, 7.0]
    (alone,) = answers("planted", PLANTED, both[:1], of_suite=True)
    assert alone.group == "baseline"  # the others could not be asked


def test_the_headline_has_the_same_name_for_one_variant_and_for_several() -> None:
    both = [measured("baseline", 0, 2.0), measured("no_position", 0, 5.0)]
    apart = [answers("planted", PLANTED, [one])[0] for one in both]
    together = answers("planted", PLANTED, both)
    for one in (*apart, *together):
        assert list(one.metric) == ["planted/size"]
    assert [one.metric for one in together] == [one.metric for one in apart]


def test_a_number_that_one_seed_lacks_the_value_of_has_no_mean() -> None:
    interval = over_models([{"r": 0.5}, {"r": math.nan}])["r"]
    assert math.isnan(interval.mean)
    answer = Answer(
        analysis="planted",
        group="",
        question="",
        verdict="",
        numbers={"r": interval},
        headline="r",
        frame=pd.DataFrame(),
        draw=lambda _frame: Figure(),
    )
    assert list(answer.metrics) == ["planted/r"]


def test_an_interval_over_episodes_is_kept_for_one_model_alone() -> None:
    own = {"accuracy": 0.7, "accuracy/low": 0.6, "accuracy/high": 0.8}
    assert over_models([own])["accuracy"].low == 0.6
    together = over_models([own, own | {"accuracy": 0.9}])
    assert list(together) == ["accuracy"]
    assert together["accuracy"].mean == pytest.approx(0.8)
    assert (together["accuracy"].low, together["accuracy"].high) == (0.7, 0.9)
