"""Answers in a file are scored as those of a model are."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from icl_mlflow.estimators.predictor import estimator
from icl_mlflow.evaluation import evaluation_set, predict, scores
from icl_mlflow.scoring.episode_file import write_episodes
from icl_mlflow.scoring.predictions import PREDICTIONS, score_predictions
from icl_mlflow.tasks import TASKS

TASK = TASKS["A"]
TRUTH = evaluation_set(TASK, TASK.sample(400, 8, stream="test"))


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    write_episodes(tmp_path / "x.parquet", TRUTH, {})
    return tmp_path / "x.parquet"


def answered(folder: Path, **columns: object) -> Path:
    file = folder / "y.parquet"
    pd.DataFrame(columns).to_parquet(file)
    return file


def test_scores_are_those_of_the_same_predictor_here(
    truth: Path, tmp_path: Path
) -> None:
    logit_B = predict(estimator("plug_in", TASK), TRUTH.episodes)
    expected = scores(logit_B, TRUTH)
    table = score_predictions(answered(tmp_path, log_odds=logit_B.numpy()), truth)
    found = table.set_index("predictor")
    for metric in ("accuracy", "loss", "excess_risk", "auc", "brier", "ece"):
        assert found.loc[PREDICTIONS, metric] == pytest.approx(expected[metric])
    assert found.loc["bayes", "excess_risk"] == 0
    assert found.loc["oracle", "loss"] < found.loc["bayes", "loss"]
    low, high = found.loc[PREDICTIONS, ["excess_risk_low", "excess_risk_high"]]
    assert low < expected["excess_risk"] < high


def test_probabilities_in_any_order_are_the_same(truth: Path, tmp_path: Path) -> None:
    logit_B = TRUTH.bayes_B.numpy() / 2
    plain = score_predictions(answered(tmp_path, log_odds=logit_B), truth)
    order = np.random.default_rng(0).permutation(len(logit_B))
    shuffled = answered(tmp_path, episode=order, probability=expit(logit_B[order]))
    found = score_predictions(shuffled, truth)
    pd.testing.assert_frame_equal(found, plain)


def test_one_file_may_hold_both_and_leave_the_contexts_out(
    truth: Path, tmp_path: Path
) -> None:
    logit_B = TRUTH.bayes_B.numpy() / 2
    expected = score_predictions(answered(tmp_path, log_odds=logit_B), truth)
    own = pd.read_parquet(truth)[["episode", "query_y", "bayes_log_odds"]]
    own.assign(log_odds=logit_B).sample(frac=1, random_state=1).to_csv(
        tmp_path / "both.csv", index=False
    )
    found = score_predictions(tmp_path / "both.csv")
    assert found["predictor"].tolist() == [PREDICTIONS, "bayes"]  # no oracle there
    assert found["excess_risk"][0] == pytest.approx(expected["excess_risk"][0])


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        ({"answer": [0.0] * 400}, "one of the columns log_odds .* it has answer"),
        (
            {"log_odds": [0.0] * 399},
            "400 episodes need one answer each, not 399; .*399",
        ),
        ({"log_odds": [np.nan] * 400}, "one finite number a row"),
        ({"probability": [1.5] * 400}, r"must lie in \[0, 1\]"),
        ({"probability": [1.0] * 400}, "certainty that is wrong once"),
        (
            {"log_odds": [0.0] * 400, "episode": [0, *range(399)]},
            "none for 399",
        ),
    ],
)
def test_answers_that_mean_nothing_are_refused(
    columns: dict[str, object], complaint: str, truth: Path, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=complaint):
        score_predictions(answered(tmp_path, **columns), truth)
