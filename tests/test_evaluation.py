"""Every metric agrees with scipy or scikit-learn, and stays finite where they fail."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import entropy
from sklearn.metrics import brier_score_loss, roc_auc_score
from sklearn.metrics import log_loss as sklearn_log_loss
from torch import Generator, Tensor

from icl_mlflow import evaluation
from icl_mlflow.evaluation import (
    accuracy,
    auc,
    brier,
    calibration_bins,
    ece,
    entropy_error,
    evaluation_set,
    excess_risk,
    expected_accuracy,
    expected_loss,
    guesses,
    log_loss,
    log_loss_standard_error,
    predict,
    scores,
)
from icl_mlflow.models import Architecture, Transformer
from icl_mlflow.tasks import TASKS
from icl_mlflow.tasks.base import with_parameters
from icl_mlflow.tasks.chance import chance


def answers(n_episodes: int, spread: float = 2.0) -> tuple[Tensor, Tensor]:
    """Log-odds and labels that were drawn from them: a calibrated predictor."""
    rng = Generator().manual_seed(0)
    logit_B = spread * torch.randn(n_episodes, generator=rng, dtype=torch.float64)
    drawn_B = torch.rand(n_episodes, generator=rng, dtype=torch.float64)
    return logit_B, (drawn_B < logit_B.sigmoid()).double()


def bernoulli(logit_B: Tensor) -> np.ndarray:
    return torch.stack([logit_B.sigmoid(), (-logit_B).sigmoid()]).numpy()


def test_excess_risk_is_scipys_relative_entropy() -> None:
    bayes_B, _ = answers(500, spread=4.0)
    logit_B = bayes_B.roll(1)
    expected = entropy(bernoulli(bayes_B), bernoulli(logit_B), axis=0)
    np.testing.assert_allclose(excess_risk(logit_B, bayes_B), expected, atol=1e-13)
    assert torch.equal(excess_risk(bayes_B, bayes_B), torch.zeros(500).double())


def test_excess_risk_is_the_expected_difference_of_log_losses() -> None:
    """The two agree on average, and excess risk is the less noisy of them."""
    bayes_B, label_B = answers(20_000)
    logit_B = 1.3 * bayes_B + 0.2
    risk_B = excess_risk(logit_B, bayes_B)
    loss_B, bayes_loss_B = (
        torch.nn.functional.binary_cross_entropy_with_logits(
            logits, label_B, reduction="none"
        )
        for logits in (logit_B, bayes_B)
    )
    gap_B = loss_B - bayes_loss_B - risk_B
    assert gap_B.mean().abs() <= 3 * gap_B.std() / math.sqrt(20_000)
    assert risk_B.std() < (loss_B - bayes_loss_B).std() / 2


def test_a_certain_error_costs_its_log_odds() -> None:
    """KL(Bernoulli(1) || Bernoulli(sigmoid(-x))) = x, however large x is."""
    certain = torch.tensor([800.0, -800.0, 800.0, 0.0], dtype=torch.float64)
    wrong = torch.tensor([-1e6, 1e6, 800.0, 1e6], dtype=torch.float64)
    expected = torch.tensor([1e6, 1e6, 0.0, 5e5 - math.log(2)], dtype=torch.float64)
    torch.testing.assert_close(excess_risk(wrong, certain), expected)
    # At 60 nats the other answer has a chance of 9e-27, which a wild logit makes felt.
    wild, sure = torch.tensor([[1e30], [60.0]], dtype=torch.float64)
    rare = excess_risk(wild, sure)
    assert rare.item() == pytest.approx(1e30 * math.exp(-60), rel=1e-12)


def test_every_score_is_finite_for_extreme_log_odds() -> None:
    task = TASKS["A"]
    truth = evaluation_set(task, task.sample(100, 4, stream="test"))
    for size in (0.0, 1e3, 1e30):
        found = scores(size * truth.bayes_B, truth)
        assert all(map(math.isfinite, found.values())), found


def test_loss_brier_and_auc_agree_with_scikit_learn() -> None:
    logit_B, label_B = answers(3_000)
    rounded_B = logit_B.round()  # ties
    for logits in (logit_B, rounded_B):
        p_B = logits.sigmoid().numpy()
        expected = sklearn_log_loss(label_B.numpy(), p_B)
        assert log_loss(logits, label_B) == pytest.approx(expected, rel=1e-12)
        expected = brier_score_loss(label_B.numpy(), p_B)
        assert brier(logits, label_B) == pytest.approx(expected, rel=1e-12)
        expected = roc_auc_score(label_B.numpy(), logits.numpy())
        assert auc(logits, label_B) == pytest.approx(expected, rel=1e-12)


def test_auc_of_a_single_class_is_undefined() -> None:
    assert math.isnan(auc(torch.zeros(3).double(), torch.ones(3).double()))


def test_accuracy_counts_and_a_logit_of_zero_says_zero() -> None:
    logit_B = torch.tensor([1.0, -1.0, 0.0, 0.0])
    assert accuracy(logit_B, torch.tensor([1.0, 1.0, 0.0, 1.0])) == 0.5


def test_calibration_error_of_a_known_bias() -> None:
    """p = 0.8 said of a coin of exactly 0.6: the error is 0.2 in every bin."""
    logit_B = torch.full((300,), math.log(4.0), dtype=torch.float64)
    label_B = torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0] * 60, dtype=torch.float64)
    assert ece(logit_B, label_B) == pytest.approx(0.2, abs=1e-12)


def test_calibration_error_sees_bins_apart_that_cancel_in_the_mean() -> None:
    logit_B = torch.cat([torch.full((150,), -1.0), torch.full((150,), 1.0)]).double()
    label_B = (logit_B < 0).double()  # the wrong way round
    wrong = 1 / (1 + math.exp(-1.0))
    assert ece(logit_B, label_B) == pytest.approx(wrong, abs=0.05)
    assert ece(*answers(20_000)) <= 0.01


def test_calibration_bins_hold_every_episode_once_in_order() -> None:
    logit_B, label_B = answers(1_003)
    bins = calibration_bins(logit_B, label_B, 10)
    assert int(bins.count.sum()) == 1_003
    assert int(bins.count.max() - bins.count.min()) <= 1
    assert (bins.predicted.diff() > 0).all()
    share = (bins.observed * bins.count).sum() / 1_003
    assert float(share) == pytest.approx(float(label_B.mean()), rel=1e-12)
    assert len(calibration_bins(logit_B[:3], label_B[:3]).count) == 3


def test_what_a_calibrated_predictor_expects_of_itself_comes_true() -> None:
    logit_B, label_B = answers(20_000)
    expected = float(expected_loss(logit_B).mean())
    error = log_loss_standard_error(logit_B, label_B)
    assert log_loss(logit_B, label_B) == pytest.approx(expected, abs=3 * error)
    expected_B = expected_accuracy(logit_B, logit_B)
    error = math.sqrt(0.25 / 20_000)
    assert accuracy(logit_B, label_B) == pytest.approx(
        float(expected_B.mean()), abs=3 * error
    )
    np.testing.assert_allclose(expected_loss(logit_B), entropy(bernoulli(logit_B)))
    assert math.isnan(log_loss_standard_error(logit_B[:1], label_B[:1]))


@pytest.mark.parametrize("chunk", [1, 7, 100, 1_000])
def test_the_size_of_a_chunk_does_not_change_predictions(
    chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Transformer(Architecture(dim=3, positions=9, d_model=16, n_heads=2))
    episodes = with_parameters(TASKS["A"], {"dim": 3}).sample(100, 8, stream="test")
    whole_B = model(episodes.context_x_BND, episodes.context_y_BN, episodes.query_x_BD)
    monkeypatch.setattr(evaluation, "_POINTS", chunk * 9)
    found_B = predict(model, episodes)
    assert found_B.dtype == torch.float64
    assert not found_B.requires_grad
    # Products of another size may round differently; episodes never mix.
    torch.testing.assert_close(found_B, whole_B.detach().double(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("task", TASKS)
def test_exact_answers_in_chunks_are_those_of_all_at_once(
    task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    episodes = TASKS[task].sample(50, 8, stream="test")
    monkeypatch.setattr(evaluation, "_ANSWERED_POINTS", 7 * 9)
    truth = evaluation_set(TASKS[task], episodes)
    bayes_B, oracle_B = (
        TASKS[task].bayes_logit(episodes),
        TASKS[task].oracle_llr(episodes),
    )
    torch.testing.assert_close(truth.bayes_B, bayes_B, rtol=0, atol=1e-11)
    torch.testing.assert_close(truth.oracle_B, oracle_B, rtol=0, atol=1e-11)


def test_exact_answers_belong_to_the_episodes_not_to_what_the_model_sees() -> None:
    task = TASKS["A"]
    episodes = task.sample(50, 8, stream="test")
    truth = evaluation_set(task, episodes, seen=episodes.first(0))
    assert len(truth) == 50
    assert torch.equal(truth.bayes_B, task.bayes_logit(episodes))
    assert torch.equal(truth.oracle_B, task.oracle_llr(episodes))
    assert torch.equal(truth.label_B, episodes.query_y_B.double())
    perfect = scores(truth.bayes_B, truth)
    assert perfect["excess_risk"] == 0.0
    names = {"loss", "accuracy", "excess_risk", "auc", "brier", "ece"}
    assert set(perfect) == {*names, "entropy_mae_bits"}
    assert perfect["entropy_mae_bits"] == 0.0


def test_the_entropy_error_is_that_of_the_entropies() -> None:
    bayes_B = torch.tensor([0.0, 2.0, -3.0], dtype=torch.float64)
    logit_B = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    model, best = (entropy(bernoulli(one_B), base=2) for one_B in (logit_B, bayes_B))
    expected = abs(model - best)
    assert entropy_error(logit_B, bayes_B).tolist() == pytest.approx(expected.tolist())
    assert (
        entropy_error(-bayes_B, bayes_B).max() < 1e-12
    )  # as unsure, on the other side


def test_guessing_is_told_from_answering() -> None:
    task = TASKS["A"]
    truth = evaluation_set(task, task.sample(500, stream="test"))
    nothing_B = torch.zeros(500, dtype=torch.float64)
    fair = chance(task).loss
    assert guesses(nothing_B, truth, fair)
    assert guesses(-truth.bayes_B, truth, fair)
    assert not guesses(truth.bayes_B, truth, fair)


def test_whoever_answers_with_the_prior_guesses() -> None:
    """Its loss is far below ln 2."""
    task = with_parameters(TASKS["A"], {"prior": 0.05})
    truth = evaluation_set(task, task.sample(2_000, stream="test"))
    prior_B = torch.full((2_000,), 0.05, dtype=torch.float64).logit()
    assert guesses(prior_B, truth, chance(task).loss)
    assert not guesses(truth.bayes_B, truth, chance(task).loss)
