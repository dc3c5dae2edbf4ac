"""The comparison finds planted effects, at its level and with its stated power."""

import functools
import math

import numpy as np
import pandas as pd
import pytest

from icl_mlflow.analysis.ablation import Member, history, measure, paper_table
from icl_mlflow.analysis.ablation_figures import one_variant, small_multiples
from icl_mlflow.analysis.verdict import Kind, with_verdicts
from icl_mlflow.estimators.ceilings import Ceiling
from icl_mlflow.launch.ablate import shown
from icl_mlflow.launch.ceilings import ceilings as ceilings_of
from icl_mlflow.statistics import power, seeds_needed
from icl_mlflow.training.settings import TrainSettings

EPISODES = 40
SUITES = 200
FULL = Ceiling(accuracy=0.79, loss=0.45, kind="exact", why="all is seen")
CHANCE = Ceiling(accuracy=0.5, loss=math.log(2), kind="exact", why="nothing is seen")
SOME = Ceiling(accuracy=0.545, loss=0.682, kind="estimate", why="counts are seen")


@functools.cache
def learned(seed: int, *, took_off: bool) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "epoch": [0, 1],
            "val/loss": [0.69, 0.5 if took_off else 0.69],
            "val/loss_standard_error": [0.006, 0.006],
            "train/accuracy": [0.5, 0.76],
            "val/accuracy": [0.5, 0.7 + 0.01 * seed],
        }
    )


def member(
    variant: str, seed: int, risk: float, *, took_off: bool = True, bayes: float = 0.0
) -> Member:
    """A run whose mean excess risk is ``risk``.

    Where Bayes knows nothing (log-odds 0), a logit l costs log cosh(l / 2).
    """
    rng = np.random.default_rng(seed)
    logit = 2 * math.acosh(math.exp(risk))
    return Member(
        run_id=f"{variant}-{seed}",
        variant=variant,
        seed=seed,
        history=learned(seed, took_off=took_off),
        logit_B=np.full(EPISODES, logit) * rng.choice([-1.0, 1.0], EPISODES),
        bayes_B=np.full(EPISODES, bayes),
        label_B=np.arange(EPISODES) % 2 * 1.0,
    )


def suite(
    rng: np.random.Generator, effects: dict[str, float], n_seeds: int, sd: float
) -> list[Member]:
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


def test_a_planted_null_is_called_at_the_level_and_no_more() -> None:
    rng = np.random.default_rng(0)
    effects = {"baseline": 0.0, "one": 0.0, "two": 0.0}
    ceilings = dict.fromkeys(effects, FULL)
    raw, called = [], 0
    for _ in range(SUITES):
        table = with_verdicts(
            measure(suite(rng, effects, 5, 0.005), ceilings, n_resamples=2)
        )
        raw += [float(p) for p in table["p"].dropna()]
        called += bool(set(table["verdict"]) & {"hurt", "helped"})
    error = math.sqrt(0.05 * 0.95 / SUITES)
    assert called / SUITES <= 0.05 + 3 * error
    assert abs(np.mean(np.array(raw) <= 0.05) - 0.05) <= 3 * error


def test_a_planted_effect_is_found_with_the_stated_power() -> None:
    rng = np.random.default_rng(1)
    n_seeds, sd, effect = 5, 0.005, 0.008
    effects = {"baseline": 0.0, "worse": effect}
    ceilings = dict.fromkeys(effects, FULL)
    found = []
    for _ in range(SUITES):
        table = with_verdicts(
            measure(suite(rng, effects, n_seeds, sd), ceilings, n_resamples=2)
        )
        found.append(table.set_index("variant").loc["worse", "verdict"] == "hurt")
    expected = power(n_seeds, sd, effect)
    assert 0.5 < expected < 0.95
    error = math.sqrt(expected * (1 - expected) / SUITES)
    assert abs(np.mean(found) - expected) <= 3 * error


def test_unaffected_is_never_said_of_what_matters() -> None:
    rng = np.random.default_rng(2)
    variants = [f"variant{i}" for i in range(13)]
    effects = {"baseline": 0.0, **dict.fromkeys(variants, 0.0), "variant0": 0.015}
    ceilings = dict.fromkeys(effects, FULL)
    said, missed = 0, 0
    for _ in range(SUITES):
        table = with_verdicts(
            measure(suite(rng, effects, 3, 0.003), ceilings, n_resamples=2)
        )
        unaffected = table[table["verdict"] == "unaffected"]
        assert (unaffected["difference_low"] >= -0.01).all()
        assert (unaffected["difference_high"] <= 0.01).all()
        assert "variant0" not in set(unaffected["variant"])
        said += len(unaffected)
        missed += table.set_index("variant").loc["variant0", "verdict"] == "undecided"
    # Neither is the verdict never given, nor is the planted effect always found.
    assert said > SUITES
    assert missed > SUITES / 4


def test_numbers_are_the_means_and_differences_of_the_runs() -> None:
    risks = {"baseline": [0.10, 0.12, 0.14], "worse": [0.20, 0.25, 0.24]}
    members = [member(v, s, r) for v, rs in risks.items() for s, r in enumerate(rs)]
    table = measure(members, dict.fromkeys(risks, FULL)).set_index("variant")
    assert table.loc["baseline", "excess_risk"] == pytest.approx(0.12, abs=1e-9)
    gaps = np.array([0.10, 0.13, 0.10])
    assert table.loc["worse", "difference"] == pytest.approx(gaps.mean(), abs=1e-9)
    reach = 4.302653 * gaps.std(ddof=1) / math.sqrt(3)
    low = table.loc["worse", "difference_low"]
    assert low == pytest.approx(gaps.mean() - reach, abs=1e-6)
    assert table.loc["worse", "seeds_needed"] == seeds_needed(gaps.std(ddof=1), 0.01)
    assert bool(table.loc["worse", "same_episodes"])
    # Every episode of a run has the same risk, so episodes add no doubt of their own.
    ends = table.loc["worse", ["difference_episodes_low", "difference_episodes_high"]]
    assert list(ends) == pytest.approx([gaps.mean()] * 2, abs=1e-9)


def test_other_episodes_are_compared_by_seed_alone() -> None:
    members = [member("baseline", s, 0.1) for s in range(3)]
    members += [member("context_increase", s, 0.1, bayes=0.5) for s in range(3)]
    ceilings = {"baseline": FULL, "context_increase": FULL}
    row = measure(members, ceilings).set_index("variant").loc["context_increase"]
    assert not row["same_episodes"]
    assert math.isfinite(row["difference"])
    _, sentence = verdict_of(members, "context_increase")
    assert " nats [" in sentence
    assert sentence.endswith(" (on episodes of its own)")


def verdict_of(
    members: list[Member], name: str, ceiling: Ceiling = FULL
) -> tuple[str, str]:
    table = with_verdicts(measure(members, {"baseline": FULL, name: ceiling}))
    row = table.set_index("variant").loc[name]
    return row["verdict"], row["sentence"]


def pair(name: str, gaps: list[float], *, took_off: bool = True) -> list[Member]:
    base = [member("baseline", s, 0.1) for s in range(len(gaps))]
    ours = [member(name, s, 0.1 + g, took_off=took_off) for s, g in enumerate(gaps)]
    return base + ours


def test_every_verdict_is_given_where_it_belongs() -> None:
    chance = pair("no_labels", [0.1, 0.1, 0.1], took_off=False)
    assert verdict_of(chance, "no_labels", CHANCE) == (
        Kind.CANNOT,
        "cannot: ceiling is chance (nothing is seen)",
    )
    slow = pair("slow", [0.1, 0.1, 0.1], took_off=False)
    kind, sentence = verdict_of(slow, "slow")
    assert kind == Kind.PLATEAU
    assert sentence == (
        "plateau: never took off in 2 epochs though the ceiling is 0.790 accuracy "
        "(all is seen)"
    )
    assert "the ceiling is 0.545" in verdict_of(slow, "slow", SOME)[1]
    kind, sentence = verdict_of(pair("worse", [0.05, 0.051, 0.052]), "worse")
    assert kind == Kind.HURT
    assert sentence.startswith("hurt by 0.0510 nats [0.0485, 0.0535]")
    kind, _ = verdict_of(pair("better", [-0.05, -0.051, -0.052]), "better")
    assert kind == Kind.HELPED
    kind, sentence = verdict_of(pair("same", [0.001, -0.001, 0.0]), "same")
    assert kind == Kind.UNAFFECTED
    kind, sentence = verdict_of(pair("noisy", [0.03, -0.04, 0.02]), "noisy")
    assert kind == Kind.UNDECIDED
    sd = np.std([0.03, -0.04, 0.02], ddof=1)
    assert sentence.endswith(
        "p = 0.89 after Holm over 1 variant; "
        f"to see 0.01 nats takes {seeds_needed(sd, 0.01)} seeds"
    )
    kind, sentence = verdict_of(pair("single", [0.03]), "single")
    assert kind == Kind.UNDECIDED
    assert "one seed cannot tell" in sentence
    leak = pair("no_labels", [0.0, 0.0, 0.0])
    assert verdict_of(leak, "no_labels", CHANCE) == (
        Kind.IMPOSSIBLE,
        "impossible: beat a ceiling of chance in 3 of 3 seeds; look for a leak",
    )


def test_the_paper_table_is_the_papers() -> None:
    members = [member("baseline", seed, 0.1) for seed in range(3)]
    (row,) = paper_table(members).to_dict("records")
    # val accuracies .70, .71, .72: sd .01, so 1.96 * .01 / sqrt(3) = .0113.
    assert row["val_accuracy"] == "0.7100 ± 0.0113"
    assert row["train_accuracy"] == "0.7600 ± 0.0000"


def test_the_history_names_every_run() -> None:
    frame = history([member("baseline", 0, 0.1), member("worse", 1, 0.2)])
    named = frame[["variant", "seed"]].drop_duplicates()
    assert named.values.tolist() == [["baseline", 0], ["worse", 1]]


def test_without_a_baseline_of_the_same_seed_nothing_is_said() -> None:
    members = [member("baseline", 5, 0.1), member("alone", 0, 0.1)]
    found = verdict_of(members, "alone")
    assert found == (
        Kind.UNDECIDED,
        "undecided: no baseline of the same seed finished",
    )
    assert verdict_of(members[1:], "alone") == found
    table = measure(members, {"baseline": FULL, "alone": FULL})
    assert list(with_verdicts(table)["verdict"]) == ["reference", "undecided"]
    assert list(shown(with_verdicts(table))["minus baseline (nats)"]) == ["", ""]


def test_a_baseline_that_guesses_is_no_measure() -> None:
    gaps = [0.05, 0.051, 0.052]
    ours = [member("worse", s, 0.1 + gap) for s, gap in enumerate(gaps)]
    guesses = [member("baseline", s, 0.1, took_off=False) for s in range(3)]
    assert verdict_of(guesses + ours, "worse") == (
        Kind.UNDECIDED,
        "undecided: the baseline never took off",
    )
    some = [guesses[0], member("baseline", 1, 0.1), member("baseline", 2, 0.1)]
    kind, sentence = verdict_of(some + ours, "worse")
    assert kind == Kind.HURT
    assert sentence.endswith("; 1 of 3 baseline seeds never took off")


def test_seeds_that_failed_are_told() -> None:
    members = pair("worse", [0.05, 0.051, 0.052])[:-1]
    table = measure(members, {"baseline": FULL, "worse": FULL}, n_planned=3)
    assert list(table["n_seeds"]) == [3, 2]
    assert table.set_index("variant").loc["worse", "n_pairs"] == 2
    table = with_verdicts(table)
    assert table["sentence"][1].endswith("; 1 of 3 seeds failed")
    assert list(shown(table)["seeds"]) == ["3/3", "2/3"]


def test_a_ceiling_known_to_be_chance_costs_the_others_nothing() -> None:
    members = pair("worse", [0.01, 0.012, 0.02])
    nothing = [member("no_labels", s, 0.3, took_off=False) for s in range(3)]
    ceilings = {"baseline": FULL, "worse": FULL}
    alone = measure(members, ceilings)
    beside = measure(members + nothing, {**ceilings, "no_labels": CHANCE})
    assert list(alone["p_holm"][:2]) == pytest.approx(
        list(beside["p_holm"][:2]), nan_ok=True
    )
    assert math.isnan(beside["p_holm"][2])
    also = [member("second", s, 0.1 + 0.01 * s) for s in range(3)]
    both = measure(members + also, {**ceilings, "second": FULL})
    sd = np.std([0.01, 0.012, 0.02], ddof=1)
    assert both["seeds_needed"][1] == seeds_needed(sd, 0.01, level=0.975)


def test_what_training_labels_teach_bounds_a_variant() -> None:
    settings = TrainSettings.preset("smoke", test_episodes=64)
    names = ["baseline", "noisy_labels_0.4", "noisy_labels_0.5", "noisy_labels_1"]
    found = ceilings_of(settings, names)
    assert found["noisy_labels_0.4"] == found["baseline"]
    assert not found["baseline"].is_chance
    assert found["noisy_labels_0.5"].is_chance
    assert found["noisy_labels_1"].accuracy == found["baseline"].accuracy
    assert "backwards" in found["noisy_labels_1"].why


def test_figures_hold_every_curve_and_ceiling() -> None:
    members = [member("easy", s, 0.1) for s in range(3)]
    frame = history(members)
    frame["val/accuracy"] = [0.3, 0.97] * 3
    easy = Ceiling(accuracy=0.99, loss=0.02, kind="exact", why="all is seen")
    for figure in (
        small_multiples(frame, {"easy": easy}, "title"),
        one_variant(frame, easy, "title"),
    ):
        low, high = figure.axes[0].get_ylim()
        assert low < 0.3
        assert high > 0.99
