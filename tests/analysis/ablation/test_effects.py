"""The comparison finds planted effects, at its level and with its stated power."""

import functools
import math

import numpy as np
import pandas as pd
import pytest
import torch

from icl_mlflow.analysis.ablation.ceilings import ceilings as ceilings_of
from icl_mlflow.analysis.ablation.decision import Kind
from icl_mlflow.analysis.ablation.effects import history, measure, paper_table
from icl_mlflow.analysis.ablation.figures import forest, one_variant, small_multiples
from icl_mlflow.analysis.ablation.table import shown
from icl_mlflow.analysis.ablation.verdict import with_verdicts
from icl_mlflow.estimators.ceilings import Ceiling, Ceilings
from icl_mlflow.training.results import MemberResult
from icl_mlflow.training.settings import TrainSettings

EPISODES = 40
SUITES = 200
BEST = Ceiling(accuracy=0.79, loss=0.45, kind="exact", why="all is seen")
NOTHING = Ceiling(accuracy=0.5, loss=math.log(2), kind="exact", why="nothing is seen")


def both(ceiling: Ceiling, beyond: float = 0.0) -> Ceilings:
    """Ceilings of episodes of which Bayes knows nothing (log-odds 0).

    An ideal learner of the training answers with ``beyond`` nats of excess risk.
    """
    return Ceilings(
        shown=ceiling,
        ideal=ceiling,
        shown_B=torch.zeros(EPISODES, dtype=torch.float64),
        ideal_B=torch.full((EPISODES,), logit_of(beyond), dtype=torch.float64),
    )


def logit_of(risk: float) -> float:
    """Where Bayes knows nothing (log-odds 0), a logit l costs log cosh(l / 2)."""
    return 2 * math.acosh(math.exp(risk))


FULL, CHANCE = both(BEST), both(NOTHING)


@functools.cache
def learned(seed: int, *, took_off: bool, falling: bool = False) -> pd.DataFrame:
    risk = [0.2, 0.15, 0.1, 0.07, 0.05, 0.035, 0.025, 0.018]
    return pd.DataFrame(
        {
            "epoch": range(8),
            "val/loss": [0.69, *[0.5 if took_off else 0.69] * 7],
            "val/loss_standard_error": [0.006] * 8,
            "val/excess_risk": risk if falling else [0.2, *[0.02] * 7],
            "train/accuracy": [0.5, *[0.76] * 7],
            "val/accuracy": [0.5, *[0.7 + 0.01 * seed] * 7],
        }
    )


def member(
    variant: str,
    seed: int,
    risk: float,
    *,
    took_off: bool = True,
    falling: bool = False,
    bayes: float = 0.0,
) -> MemberResult:
    """A run whose mean excess risk is ``risk``, where Bayes knows nothing."""
    rng = np.random.default_rng(seed)
    return MemberResult(
        run_id=f"{variant}-{seed}",
        variant=variant,
        seed=seed,
        history=learned(seed, took_off=took_off, falling=falling),
        logit_B=np.full(EPISODES, logit_of(risk)) * rng.choice([-1.0, 1.0], EPISODES),
        bayes_B=np.full(EPISODES, bayes),
        label_B=np.arange(EPISODES) % 2 * 1.0,
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
    """The way from runs to words; how often, `tests/statistics` and benchmarks tell."""
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


def test_another_problem_is_neither_hurt_nor_helped() -> None:
    members = [member("baseline", s, 0.1) for s in range(5)]
    members += [member("context_increase", s, 0.4, bayes=0.5) for s in range(5)]
    kind, sentence = verdict_of(members, "context_increase")
    assert kind == Kind.OTHER_PROBLEM
    assert "neither hurt nor helped" in sentence
    assert "its ideal learner has 0.4500" in sentence
    assert "accuracy" in sentence


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


def verdict_of(
    members: list[MemberResult], name: str, ceilings: Ceilings = FULL
) -> tuple[str, str]:
    table = with_verdicts(measure(members, {"baseline": FULL, name: ceilings}))
    row = table.set_index("variant").loc[name]
    return row["verdict"], row["sentence"]


def pair(name: str, gaps: list[float], *, took_off: bool = True) -> list[MemberResult]:
    base = [member("baseline", s, 0.1) for s in range(len(gaps))]
    ours = [member(name, s, 0.1 + g, took_off=took_off) for s, g in enumerate(gaps)]
    return base + ours


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
    assert list(shown(table)["ideal learner"]) == ["0.7900", "unknown"]


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


def test_the_paper_table_is_the_papers() -> None:
    members = [member("baseline", seed, 0.1) for seed in range(3)]
    (row,) = paper_table(history(members)).to_dict("records")
    # val accuracies .70, .71, .72: sd .01, so 1.96 * .01 / sqrt(3) = .0113.
    assert row["val_accuracy"] == "0.7100 ± 0.0113"
    assert row["train_accuracy"] == "0.7600 ± 0.0000"


def test_the_history_names_every_run() -> None:
    frame = history([member("baseline", 0, 0.1), member("worse", 1, 0.2)])
    named = frame[["variant", "seed"]].drop_duplicates()
    assert named.values.tolist() == [["baseline", 0], ["worse", 1]]


def test_without_a_baseline_nothing_is_said() -> None:
    alone = [member("alone", 0, 0.1)]
    found = verdict_of(alone, "alone")
    assert found == (Kind.UNDECIDED, "undecided: no baseline finished")
    members = [member("baseline", 5, 0.1), *alone]
    table = with_verdicts(measure(members, {"baseline": FULL, "alone": FULL}))
    assert list(table["verdict"]) == ["reference", "undecided"]
    assert list(shown(table)["minus baseline (nats)"]) == ["", ""]


def test_a_baseline_that_guesses_is_no_measure() -> None:
    guesses = [member("baseline", s, 0.1, took_off=False) for s in range(3)]
    ours = [member("worse", s, 0.15) for s in range(3)]
    kind, sentence = verdict_of(guesses + ours, "worse")
    assert kind == Kind.UNDECIDED
    assert "3 of 3 seeds took off, 0 of 3 of the baseline" in sentence
    table = with_verdicts(measure(guesses, {"baseline": FULL}))
    assert table["sentence"][0].startswith("undecided: the baseline itself never")


def test_seeds_that_failed_are_told() -> None:
    members = pair("worse", [0.05, 0.051, 0.052])[:-1]
    table = measure(members, {"baseline": FULL, "worse": FULL}, n_planned=3)
    assert list(table["n_seeds"]) == [3, 2]
    assert table.set_index("variant").loc["worse", "n_gaps"] == 2
    table = with_verdicts(table)
    assert table["sentence"][1].endswith("; 1 of 3 seeds failed")
    assert list(shown(table)["seeds"]) == ["3/3", "2/3"]


def test_a_ceiling_known_to_be_chance_costs_the_others_nothing() -> None:
    members = pair("worse", [0.01, 0.012, 0.02])
    nothing = [member("no_labels", s, 0.3, took_off=False) for s in range(3)]
    ceilings = {"baseline": FULL, "worse": FULL}
    alone = measure(members, ceilings)
    beside = measure(members + nothing, {**ceilings, "no_labels": CHANCE})
    assert alone["p_difference"][1] == beside["p_difference"][1]
    assert math.isnan(beside["p_difference"][2])
    assert math.isnan(beside["p_take_off"][2])


def test_what_training_labels_teach_bounds_a_variant() -> None:
    settings = TrainSettings.preset("smoke", test_episodes=64)
    names = ["baseline", "noisy_labels_0.4", "noisy_labels_0.5", "noisy_labels_1"]
    found = ceilings_of(settings, names)
    assert found["noisy_labels_0.4"].shown == found["baseline"].shown
    assert found["noisy_labels_0.4"].ideal.loss > found["baseline"].ideal.loss
    assert not found["baseline"].ideal.is_chance
    assert found["noisy_labels_0.5"].ideal.is_chance


def test_figures_hold_every_curve_and_ceiling() -> None:
    members = [member("easy", s, 0.1) for s in range(3)]
    frame = history(members)
    frame["val/accuracy"] = [0.3, *[0.97] * 7] * 3
    easy = both(Ceiling(accuracy=0.99, loss=0.02, kind="exact", why="all is seen"))
    for figure in (
        small_multiples(frame, {"easy": easy}, "title"),
        one_variant(frame, easy, "title"),
    ):
        low, high = figure.axes[0].get_ylim()
        assert low < 0.3
        assert high > 0.99
    for axes in (one_variant(frame, easy, "title").axes[0],):
        training, validation = axes.collections
        ends = validation.get_paths()[0].vertices[:, 1]
        assert ends.min() >= 0.3 - 1e-9
        assert ends.max() <= 0.97 + 1e-9
        assert set(training.get_paths()[0].vertices[:, 1]) == {0.5, 0.76}
        thin = [line for line in axes.lines if line.get_linewidth() < 1]
        assert len(thin) == 6  # every seed, training and validation


def test_the_forest_shows_every_seed() -> None:
    table = with_verdicts(
        measure(pair("worse", [0.05, 0.06, 0.04]), {"baseline": FULL, "worse": FULL})
    )
    (axes,) = forest(table, "title").axes
    drawn = {round(float(x), 4) for line in axes.lines for x in line.get_xdata()}
    assert {0.05, 0.06, 0.04} <= drawn
    assert "dots: seeds" in axes.get_xlabel()
