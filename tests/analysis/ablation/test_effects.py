"""The comparison finds planted effects, and its numbers are those of the runs."""

import math

import numpy as np
import pytest

from icl_mlflow.analysis.ablation.decision import Kind
from icl_mlflow.analysis.ablation.effects import measure
from icl_mlflow.analysis.ablation.table import readable
from icl_mlflow.analysis.ablation.verdict import with_verdicts
from icl_mlflow.training.results import MemberResult
from tests.analysis.ablation.planted import (
    BEST,
    CHANCE,
    FULL,
    both,
    member,
    pair,
    verdict_of,
)


def suite(
    rng: np.random.Generator, effects: dict[str, float], n_seeds: int, sd: float
) -> list[MemberResult]:
    """Seeds share a level of their own; each run adds noise of sd / sqrt(2)."""
    levels = 0.2 + 0.02 * rng.standard_normal(n_seeds)
    return [
        member(
            name,
            seed,
            levels[seed] + effect + sd / math.sqrt(2) * rng.standard_normal(),
        )
        for name, effect in effects.items()
        for seed in range(n_seeds)
    ]


def test_what_is_planted_in_runs_is_found_and_nothing_else() -> None:
    """The way from runs to words; how often, `test_decision` and benchmarks tell."""
    rng = np.random.default_rng(0)
    effects = {"baseline": 0.0, "same": 0.0, "near": 0.0006, "worse": 0.05}
    said = []
    for _ in range(12):
        runs = suite(rng, effects, 5, 0.002)
        table = with_verdicts(
            measure(runs, dict.fromkeys(effects, FULL), n_resamples=2)
        )
        said.append(tuple(table["verdict"]))
    expected = ("reference", "unaffected", "unaffected", "hurt")
    assert said.count(expected) >= 11


def test_numbers_are_the_means_and_ranges_of_the_runs() -> None:
    risks = {"baseline": [0.10, 0.12, 0.14], "worse": [0.20, 0.25, 0.24]}
    members = [member(v, s, r) for v, rs in risks.items() for s, r in enumerate(rs)]
    table = measure(members, dict.fromkeys(risks, FULL)).set_index("variant")
    base, worse = table.loc["baseline"], table.loc["worse"]
    assert base["excess_risk"] == pytest.approx(0.12, abs=1e-9)
    ends = base[["excess_risk_low", "excess_risk_high"]]
    assert list(ends) == pytest.approx([0.10, 0.14], abs=1e-9)
    assert base["each_risk"] == "0.1000 0.1200 0.1400"
    ends = worse[["difference", "difference_low", "difference_high"]]
    assert list(ends) == pytest.approx([0.11, 0.10, 0.13], abs=1e-9)
    assert worse["each_difference"] == "+0.1000 +0.1300 +0.1000"
    assert bool(worse["same_problem"])
    # Every episode of a run has the same risk, so episodes add no doubt of their own.
    ends = worse[["difference_episodes_low", "difference_episodes_high"]]
    assert list(ends) == pytest.approx([0.11] * 2, abs=1e-9)


def test_the_compared_number_is_the_excess_over_the_own_ceiling() -> None:
    """An ideal learner of noisy training is worse on clean episodes, and not hurt."""
    members = [member("baseline", s, 0.1) for s in range(5)]
    members += [member("noisy", s, 0.15) for s in range(5)]
    ceilings = {"baseline": FULL, "noisy": both(BEST, beyond=0.05)}
    table = measure(members, ceilings).set_index("variant")
    assert table.loc["noisy", "excess_risk"] == pytest.approx(0.15, abs=1e-9)
    assert table.loc["noisy", "own_excess"] == pytest.approx(0.1, abs=1e-9)
    assert table.loc["noisy", "difference"] == pytest.approx(0.0, abs=1e-9)
    kind, sentence = verdict_of(members, "noisy", ceilings["noisy"])
    assert kind == Kind.UNAFFECTED
    assert "0.0500 are beyond an ideal learner of this training" in sentence


def test_seeds_that_failed_are_told() -> None:
    members = pair("worse", [0.05, 0.051, 0.052])[:-1]
    table = measure(members, {"baseline": FULL, "worse": FULL}, n_planned=3)
    assert list(table["n_seeds"]) == [3, 2]
    assert table.set_index("variant").loc["worse", "n_gaps"] == 2
    table = with_verdicts(table)
    assert table["sentence"][1].endswith("; 1 of 3 seeds failed")
    assert list(readable(table)["seeds"]) == ["3/3", "2/3"]


def test_a_ceiling_known_to_be_chance_costs_the_others_nothing() -> None:
    members = pair("worse", [0.01, 0.012, 0.02])
    nothing = [member("no_labels", s, 0.3, took_off=False) for s in range(3)]
    ceilings = {"baseline": FULL, "worse": FULL}
    alone = measure(members, ceilings)
    beside = measure(members + nothing, {**ceilings, "no_labels": CHANCE})
    assert alone["p_difference"][1] == beside["p_difference"][1]
    assert math.isnan(beside["p_difference"][2])
    assert math.isnan(beside["p_take_off"][2])
