"""Reproduced means: inside our interval, and near. Everything else says why not."""

import pytest

from icl_mlflow.reproduction.judgement import Evidence, Kind, judge
from icl_mlflow.reproduction.paper import PublishedAccuracy

LEARNS = PublishedAccuracy("task_A_regular", 0.7833, 0.0033)
GUESSES = PublishedAccuracy("task_A_ablation_frozen_qk", 0.4957, 0.0129)


def evidence(*accuracies: float, started: list[int | None] | None = None) -> Evidence:
    return Evidence(
        accuracies=accuracies,
        started=[5] * len(accuracies) if started is None else started,
        n_epochs=20,
        n_episodes=5_000,
    )


@pytest.mark.parametrize(
    ("accuracies", "kind"),
    [
        ((0.781, 0.783, 0.785), Kind.REPRODUCED),
        ((0.7833, 0.7833, 0.7833), Kind.REPRODUCED),  # the ends belong to it
        ((0.784, 0.785, 0.786), Kind.DIFFERS),  # near, but outside
        ((0.700, 0.783, 0.785), Kind.DIFFERS),  # inside, but not near
        ((0.783,), Kind.UNDECIDED),
        # From six seeds on the interval is narrower than their range.
        ((0.70, *[0.784] * 8, 0.79), Kind.DIFFERS),
    ],
)
def test_both_conditions_must_hold(accuracies: tuple[float, ...], kind: Kind) -> None:
    assert judge(LEARNS, evidence(*accuracies)).kind is kind


def test_a_difference_is_told_with_its_numbers() -> None:
    found = judge(LEARNS, evidence(0.76, 0.77, 0.771))
    assert found.why == (
        "0.0163 below the paper, more than 0.01; our 3 seeds (0.7600 to 0.7710) "
        "exclude its mean, and its interval lies apart; all our seeds took off, by "
        "epoch 6 of 20"
    )
    near = judge(LEARNS, evidence(0.784, 0.785, 0.786)).why
    assert "more than" not in near
    assert "exclude its mean, but reach into its interval" in near


def test_seeds_that_did_not_learn_are_the_cause() -> None:
    some = judge(LEARNS, evidence(0.5, 0.78, 0.79, started=[None, 5, 5]))
    assert some.why.endswith("2 of our 3 seeds took off")
    none = judge(LEARNS, evidence(0.5, 0.5, 0.51, started=[None] * 3))
    assert none.why.endswith("none of our seeds took off")
    late = judge(LEARNS, evidence(0.70, 0.71, 0.72, started=[5, 6, 14]))
    assert late.why.endswith("took off late, the last in epoch 15 of 20")


def test_who_guesses_differs_by_the_episodes_alone() -> None:
    found = judge(GUESSES, evidence(0.501, 0.503, 0.504, started=[None] * 3))
    assert found.kind is Kind.DIFFERS
    assert "both guess: over 5,000 validation episodes" in found.why
    assert "within 0.014 of 0.5" in found.why
    # Not where the paper's seeds learned something.
    partly = PublishedAccuracy("task_A_ablation_noisy_labels_p0.2", 0.5332, 0.0574)
    learned = judge(partly, evidence(0.501, 0.503, 0.504, started=[None] * 3))
    assert learned.why.endswith("none of our seeds took off")
