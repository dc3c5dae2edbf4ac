"""Two runs are compared by the rule of the verdicts: equivalence first, then size."""

import pandas as pd
import pytest
import torch

from icl_mlflow.analysis.ablation.comparison import (
    Pair,
    compare,
    draw,
    measure,
    verdict,
)
from icl_mlflow.evaluation import EvaluationSet, evaluation_set
from icl_mlflow.tasks import TASKS


@pytest.fixture(scope="module")
def truth() -> EvaluationSet:
    task = TASKS["A"]
    return evaluation_set(task, task.sample(400, 8, stream="test"))


def pairs(truth: EvaluationSet, factors: list[float]) -> list[Pair]:
    """The second model of each pair exaggerates exact Bayes by a factor."""
    return [
        Pair(
            first="one",
            second="other",
            first_logit_B=truth.bayes_B,
            second_logit_B=factor * truth.bayes_B,
        )
        for factor in factors
    ]


def said(truth: EvaluationSet, factors: list[float]) -> str:
    return verdict(compare(pairs(truth, factors), truth, seed=0), "one", "other")


def test_what_is_close_for_five_seeds_is_as_good(truth: EvaluationSet) -> None:
    sentence = said(truth, [1.1, 1.12, 1.05, 1.1, 1.08])
    assert sentence.startswith("other is as good as one: +0.00")
    assert "(5 seeds: 0.00" in sentence


def test_what_is_far_for_three_seeds_is_worse(truth: EvaluationSet) -> None:
    sentence = said(truth, [4.0, 4.01, 3.99])
    assert sentence.startswith("other is worse than one: +")
    assert "that it is within 0.01 nats" in sentence
    backwards = [
        Pair(
            first=pair.second,
            second=pair.first,
            first_logit_B=pair.second_logit_B,
            second_logit_B=pair.first_logit_B,
        )
        for pair in pairs(truth, [4.0, 4.01, 3.99])
    ]
    table = compare(backwards, truth, seed=0)
    assert verdict(table, "one", "other").startswith("other is better than one")


def test_two_seeds_tell_nothing(truth: EvaluationSet) -> None:
    sentence = said(truth, [4.0, 4.01])
    assert "cannot be told apart" in sentence
    assert "3 pairs are the fewest" in sentence


def test_one_pair_speaks_of_these_models_alone(truth: EvaluationSet) -> None:
    sentence = said(truth, [4.0])
    assert "is worse than" in sentence
    assert "95 % over episodes" in sentence
    assert sentence.endswith("one pair says nothing of other seeds.")


def test_the_figure_shows_each_pair_and_says_what_the_bar_is(
    truth: EvaluationSet,
) -> None:
    chosen = pairs(truth, [1.5, 2.0, 3.0])
    table, each = compare(chosen, truth, seed=0), measure(chosen, truth)
    assert isinstance(each, pd.DataFrame)
    axes = draw(table, each, "title").axes[0]
    ticks = [label.get_text() for label in axes.get_yticklabels()]
    assert ticks == ["each pair", "mean,\nrange of the seeds"]
    assert torch.isfinite(truth.bayes_B).all()
