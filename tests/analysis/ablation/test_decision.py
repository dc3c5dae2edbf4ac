"""The rule of the verdicts: its tests are the textbook's, and it keeps its promises.

The whole rule is tried on suites whose truth is known, the short form of
benchmarks.verdicts. The bounds are those of the committed table, with three standard
errors of a short simulation on top.
"""

import functools
import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from benchmarks.verdicts.planted import WORLDS
from benchmarks.verdicts.rates import QUESTIONS, rates
from icl_mlflow.analysis.ablation.decision import (
    SMALLEST_OF_INTEREST,
    Evidence,
    Kind,
    decide,
)

SUITES = 150
BY_NAME = {world.name: world for world in WORLDS}


@functools.cache
def said(world: str, n_variants: int, n_seeds: int) -> dict[str, float]:
    rng = np.random.default_rng([n_variants, n_seeds])
    return rates(rng, BY_NAME[world], n_variants, n_seeds, SUITES)


@pytest.mark.parametrize(
    ("n_variants", "n_seeds"),
    [
        (1, 2),
        (1, 5),
        (4, 3),
        pytest.param(4, 10, marks=pytest.mark.slow),
        pytest.param(12, 5, marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("world", list(BY_NAME))
def test_no_false_call_is_more_frequent_than_promised(
    world: str, n_variants: int, n_seeds: int
) -> None:
    found = said(world, n_variants, n_seeds)
    for question in QUESTIONS:
        if question.most is not None:
            error = math.sqrt(question.most * (1 - question.most) / SUITES)
            assert found[question.name] <= question.most + 3 * error, question.name


def test_the_rule_finds_what_is_there() -> None:
    """At least the powers that docs/verdicts.md states."""
    agree, ten = "seeds agree", "10 % stuck"
    assert said(agree, 12, 5)["no difference: unaffected"] >= 0.95
    assert said(agree, 12, 5)["+.03 nats in one: hurt"] >= 0.9
    assert said(agree, 12, 5)["one always stuck: plateau"] >= 0.95
    assert said(ten, 12, 10)["one stuck with p = .67: plateau or hurt"] >= 0.4


def evidence(**changes: Any) -> Evidence:
    """Of a variant and a baseline whose five seeds all took off."""
    all_took_off: dict[str, Any] = {
        "took_off": 5,
        "n_seeds": 5,
        "baseline_took_off": 5,
        "baseline_seeds": 5,
        "gaps": [0.0] * 5,
    }
    return Evidence(**{**all_took_off, **changes})


def test_a_difference_is_the_t_test_of_its_distance_from_what_counts_as_none() -> None:
    gaps = np.array([0.02, 0.05, 0.03, 0.04, 0.06])
    (found,) = decide([evidence(gaps=gaps.tolist())])
    beyond = stats.ttest_1samp(gaps, SMALLEST_OF_INTEREST).pvalue
    assert found.p_difference == pytest.approx(beyond)
    assert found.p_zero == pytest.approx(stats.ttest_1samp(gaps, 0).pvalue)
    assert found.spread == pytest.approx(gaps.std(ddof=1))
    assert found.kind == Kind.HURT
    (opposite,) = decide([evidence(gaps=(-gaps).tolist())])
    assert opposite.kind == Kind.HELPED
    assert opposite.p_difference == found.p_difference


def test_pairs_that_agree_by_chance_borrow_the_suites_spread() -> None:
    """Standard deviations .001, .02 and .03: none counts as less than their median."""
    suite = [evidence(gaps=[0.03 - sd, 0.03, 0.03 + sd]) for sd in (0.001, 0.02, 0.03)]
    found = decide(suite)
    assert [one.spread for one in found] == pytest.approx([0.02, 0.02, 0.03])
    # Of the first p = 2 P(T_2 < -.02 / .02 * sqrt(3)), times three after Holm.
    raw = 2 * stats.t.cdf(-math.sqrt(3), 2)
    assert found[0].p_difference == pytest.approx(3 * raw)
    assert found[0].n_difference == 3


def test_take_off_tests_that_could_show_nothing_cost_the_others_nothing() -> None:
    stuck, fine = decide([evidence(took_off=0, gaps=[]), evidence()])
    assert stuck.kind == Kind.PLATEAU
    assert stuck.p_take_off == pytest.approx(2 / 252)  # Fisher, one test of two
    assert stuck.n_take_off == 1
    assert fine.kind == Kind.UNAFFECTED


@pytest.mark.parametrize(
    ("took_off", "n_seeds", "kind"),
    [
        (1, 3, Kind.CANNOT),
        (2, 3, Kind.IMPOSSIBLE),
        (3, 20, Kind.CANNOT),
        (4, 20, Kind.IMPOSSIBLE),
    ],
)
def test_more_take_offs_than_chance_explains_are_a_leak(
    took_off: int, n_seeds: int, kind: Kind
) -> None:
    """A run that guesses seems to take off once in twenty times, at most."""
    (found,) = decide([evidence(took_off=took_off, n_seeds=n_seeds, is_chance=True)])
    by_chance = stats.binom.sf(took_off - 1, n_seeds, 0.05)
    assert (by_chance > 0.05) == (kind == Kind.CANNOT)
    assert found.kind == kind
    assert math.isnan(found.p_take_off)


def test_two_pairs_and_no_baseline_decide_nothing() -> None:
    (few,) = decide([evidence(took_off=2, n_seeds=2, gaps=[0.5, 0.5])])
    assert few.kind == Kind.UNDECIDED
    assert math.isnan(few.p_difference)
    (alone,) = decide([evidence(baseline_took_off=0, baseline_seeds=0, gaps=[])])
    assert alone.kind == Kind.UNDECIDED
    assert math.isnan(alone.p_take_off)


def test_other_episodes_are_neither_hurt_nor_helped() -> None:
    (found,) = decide([evidence(gaps=[0.5] * 5, same_problem=False)])
    assert found.kind == Kind.OTHER_PROBLEM
    assert math.isnan(found.p_difference)
