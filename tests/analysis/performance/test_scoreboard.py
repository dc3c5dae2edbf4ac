"""Everyone is judged on the same episodes, and the table says who is best."""

from collections.abc import Callable

import numpy as np
import pytest

from icl_mlflow.analysis.base import Subject
from icl_mlflow.analysis.performance.scoreboard import SCOREBOARD
from icl_mlflow.analysis.score_intervals import METRICS
from icl_mlflow.estimators import ESTIMATORS
from icl_mlflow.evaluation import scores
from tests.analysis.concluded import concluded


def test_every_estimator_has_a_row(stand_in_of: Callable[..., Subject]) -> None:
    bayes = stand_in_of(lambda task, seen: task.bayes_logit(seen), episodes=400)
    frame = SCOREBOARD.measure(bayes).set_index("predictor")
    assert set(frame.index) == {"model", *ESTIMATORS}
    values = frame[[*METRICS, *(f"{m}_{e}" for m in METRICS for e in ("low", "high"))]]
    same = values.loc["model"].drop(["ece_low", "ece_high"])  # resampled on their own
    np.testing.assert_array_equal(same, values.loc["bayes"][same.index])
    assert np.isfinite(values.to_numpy()).all()
    exact = scores(bayes.truth.oracle_B, bayes.truth)
    assert frame.loc["oracle", "accuracy"] == exact["accuracy"]
    assert frame.loc["oracle", "excess_risk"] < 0
    others = frame.drop(index=["model", "bayes", "oracle"])
    assert (others["excess_risk"] > 0).all()


def test_the_verdict_names_the_best_rival(stand_in_of: Callable[..., Subject]) -> None:
    plug_in = stand_in_of(lambda task, seen: task.plug_in_logit(seen), episodes=400)
    numbers = SCOREBOARD.summarise(SCOREBOARD.measure(plug_in))
    rivals = {
        name: numbers[f"{name}_excess_risk"]
        for name in ESTIMATORS
        if name not in ("bayes", "oracle")
    }
    best = min(rivals, key=rivals.__getitem__)
    assert numbers["accuracy"] == pytest.approx(numbers["plug_in_accuracy"])
    said = concluded(SCOREBOARD, SCOREBOARD.measure(plug_in))
    assert f"estimator, {best}, has {rivals[best]:.4f}" in said


def test_a_corrupted_variant_has_both_ceilings(
    subject_of: Callable[..., Subject],
) -> None:
    shown = SCOREBOARD.measure(subject_of(variant="shuffled_labels", episodes=300))
    rows = shown.set_index("predictor")
    best, clean = rows.loc["bayes_of_what_is_shown"], rows.loc["bayes"]
    assert best["excess_risk"] > 0.02 > clean["excess_risk"]
    assert "of what it is shown, exact Bayes makes" in concluded(SCOREBOARD, shown)
    noisy = SCOREBOARD.measure(subject_of(variant="noisy_labels_0.4", episodes=300))
    rows = noisy.set_index("predictor")
    assert "bayes_of_what_is_shown" not in rows.index
    assert rows.loc["ideal_learner", "excess_risk"] > 0.001
    assert "an ideal learner of this training has" in concluded(SCOREBOARD, noisy)


def test_a_shifted_subject_has_the_training_prior_beside_it(
    subject_of: Callable[..., Subject],
) -> None:
    frame = SCOREBOARD.measure(subject_of(shifts={"tau": 9.0}, episodes=300))
    row = frame.set_index("predictor").loc["bayes_training_prior"]
    assert row["excess_risk"] > 0
    assert "Bayes with the training prior has" in concluded(SCOREBOARD, frame)


def test_a_model_that_guesses_is_called_untrained(
    subject_of: Callable[..., Subject],
) -> None:
    frame = SCOREBOARD.measure(subject_of(episodes=300))
    said = concluded(SCOREBOARD, frame, guesses=True)
    assert said.startswith("Cannot be told: no better than guessing, so untrained")


def test_rivals_see_what_the_model_sees(subject_of: Callable[..., Subject]) -> None:
    """With the labels shuffled they are at chance; Bayes and oracle are as they are."""
    shown = subject_of(variant="shuffled_labels", episodes=2_000)
    frame = SCOREBOARD.measure(shown).set_index("predictor")
    assert frame.loc["plug_in", "accuracy"] == pytest.approx(0.5, abs=0.034)
    assert frame.loc["bayes", "accuracy"] > 0.65
