"""Every sentence says which word, on what evidence, and what it cannot tell."""

import math

from icl_mlflow.analysis.ablation.decision import Kind
from icl_mlflow.analysis.ablation.effects import measure
from icl_mlflow.analysis.ablation.table import readable
from icl_mlflow.analysis.ablation.verdict import with_verdicts
from icl_mlflow.estimators.ceilings import Ceiling, Ceilings
from tests.analysis.ablation.planted import (
    BEST,
    CHANCE,
    FULL,
    member,
    pair,
    verdict_of,
)


def test_another_problem_is_neither_hurt_nor_helped() -> None:
    members = [member("baseline", s, 0.1) for s in range(5)]
    members += [member("context_increase", s, 0.4, bayes=0.5) for s in range(5)]
    kind, sentence = verdict_of(members, "context_increase")
    assert kind == Kind.OTHER_PROBLEM
    assert "neither hurt nor helped" in sentence
    assert "its ideal learner has 0.4500" in sentence
    assert "accuracy" in sentence


def test_a_ceiling_at_chance_is_not_the_models_doing() -> None:
    chance = pair("no_labels", [0.1, 0.1, 0.1], took_off=False)
    kind, sentence = verdict_of(chance, "no_labels", CHANCE)
    assert kind == Kind.CANNOT
    assert "no better than guessing (nothing is seen)" in sentence
    leak = pair("no_labels", [0.0, 0.0, 0.0])
    kind, sentence = verdict_of(leak, "no_labels", CHANCE)
    assert kind == Kind.IMPOSSIBLE
    assert sentence.endswith("look for a leak")
    # One of twenty runs that guess seems to take off: one of three is no leak.
    one = [*chance[:-1], member("no_labels", 2, 0.2)]
    kind, sentence = verdict_of(one, "no_labels", CHANCE)
    assert kind == Kind.CANNOT
    assert "1 of 3 seeds seem to have taken off" in sentence


def test_a_plateau_is_tested_against_the_baseline() -> None:
    kind, sentence = verdict_of(pair("slow", [0.1] * 5, took_off=False), "slow")
    assert kind == Kind.PLATEAU
    assert "0 of 5 seeds took off in 8 epochs, 5 of 5 of the baseline" in sentence
    assert "p = 0.0079" in sentence
    assert "whether these weights could use it, or only need longer" in sentence
    # Three seeds cannot tell, and the sentence says how many would.
    kind, sentence = verdict_of(pair("slow", [0.1] * 3, took_off=False), "slow")
    assert kind == Kind.UNDECIDED
    assert "0 of 3 seeds took off, 3 of 3 of the baseline (p = 0.1)" in sentence
    assert sentence.endswith("about 8 seeds each would tell")
    # Nor do five where the baseline was stuck as often as not.
    members = pair("slow", [0.1] * 5, took_off=False)
    members[:2] = [member("baseline", s, 0.3, took_off=False) for s in range(2)]
    assert verdict_of(members, "slow")[0] == Kind.UNDECIDED


def test_an_unknown_ceiling_is_said() -> None:
    no_one_knows = Ceiling(
        accuracy=math.nan, loss=math.nan, kind="unknown", why="secret"
    )
    unknown = Ceilings(shown=BEST, ideal=no_one_knows, shown_B=None, ideal_B=None)
    slow = pair("slow", [0.1] * 5, took_off=False)
    kind, sentence = verdict_of(slow, "slow", unknown)
    assert kind == Kind.PLATEAU
    assert "unknown: secret" in sentence
    worse = pair("worse", [0.05, 0.051, 0.052, 0.053, 0.049])
    kind, sentence = verdict_of(worse, "worse", unknown)
    assert kind == Kind.HURT
    assert "its own ceiling is unknown" in sentence
    table = with_verdicts(measure(worse, {"baseline": FULL, "worse": unknown}))
    assert list(readable(table)["ideal learner"]) == ["0.7900", "unknown"]


def test_taking_off_less_often_hurts() -> None:
    members = pair("shaky", [0.0] * 10)
    members[10:18] = [member("shaky", s, 0.3, took_off=False) for s in range(8)]
    kind, sentence = verdict_of(members, "shaky")
    assert kind == Kind.HURT
    assert "takes off less often, 2 of 10 seeds against 10 of 10" in sentence


def test_a_difference_is_judged_by_its_size() -> None:
    worse = [0.05, 0.051, 0.052, 0.053, 0.049]
    kind, sentence = verdict_of(pair("worse", worse), "worse")
    assert kind == Kind.HURT
    assert sentence.startswith("hurt: by 0.0510 nats (5 seeds: 0.0490 to 0.0530; p = ")
    better = pair("better", [-gap for gap in worse])
    assert verdict_of(better, "better")[0] == Kind.HELPED
    # A difference that is there and does not matter.
    tiny = [0.0006, 0.0007, 0.0005, 0.0006, 0.0006]
    kind, sentence = verdict_of(pair("near", tiny), "near")
    assert kind == Kind.UNAFFECTED
    assert "+0.0006 nats" in sentence
    assert "is certain, and negligible" in sentence
    kind, sentence = verdict_of(pair("few", tiny[:3]), "few")
    assert kind == Kind.UNDECIDED
    assert "5 that agree are the fewest to call it unaffected" in sentence
    kind, sentence = verdict_of(pair("wide", [0.03, -0.04, 0.02]), "wide")
    assert kind == Kind.UNDECIDED
    assert "to tell differences 0.01 apart takes" in sentence
    kind, sentence = verdict_of(pair("single", [0.03]), "single")
    assert kind == Kind.UNDECIDED
    assert "1 pairs of seeds" in sentence


def test_curves_that_still_fall_are_told() -> None:
    members = [member("baseline", s, 0.1) for s in range(5)]
    members += [member("late", s, 0.15 + s / 1e3, falling=True) for s in range(5)]
    kind, sentence = verdict_of(members, "late")
    assert kind == Kind.HURT
    assert "5 of 5 curves were still falling at the end, by 64%" in sentence


def test_without_a_baseline_nothing_is_said() -> None:
    alone = [member("alone", 0, 0.1)]
    found = verdict_of(alone, "alone")
    assert found == (Kind.UNDECIDED, "undecided: no baseline finished")
    members = [member("baseline", 5, 0.1), *alone]
    table = with_verdicts(measure(members, {"baseline": FULL, "alone": FULL}))
    assert list(table["verdict"]) == ["reference", "undecided"]
    assert list(readable(table)["minus baseline (nats)"]) == ["", ""]


def test_a_baseline_that_guesses_is_no_measure() -> None:
    guesses = [member("baseline", s, 0.1, took_off=False) for s in range(3)]
    ours = [member("worse", s, 0.15) for s in range(3)]
    kind, sentence = verdict_of(guesses + ours, "worse")
    assert kind == Kind.UNDECIDED
    assert "3 of 3 seeds took off, 0 of 3 of the baseline" in sentence
    table = with_verdicts(measure(guesses, {"baseline": FULL}))
    assert table["sentence"][0].startswith("undecided: the baseline itself never")
