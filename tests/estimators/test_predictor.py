"""One way to ask every predictor; what does not fit is one sentence."""

import pytest
import torch
from torch import Tensor

from icl_mlflow.estimators.predictor import bayes, estimator, oracle
from icl_mlflow.evaluation import evaluation_set, predict, scores
from icl_mlflow.models import Architecture, Transformer
from icl_mlflow.registry import UnknownNameError
from icl_mlflow.tasks import TASKS
from icl_mlflow.tasks.base import with_parameters

TASK = with_parameters(TASKS["A"], {"dim": 4})
EPISODES = TASK.sample(1_100, n_context=8, stream="test")


def test_bayes_and_the_oracle_are_the_exact_answers() -> None:
    assert torch.equal(predict(bayes(TASK), EPISODES), TASK.bayes_logit(EPISODES))
    assert torch.equal(predict(oracle(TASK), EPISODES), TASK.oracle_llr(EPISODES))
    truth = evaluation_set(TASK, EPISODES)
    assert scores(predict(bayes(TASK), EPISODES), truth)["excess_risk"] == 0


def test_an_estimator_is_asked_as_a_model_is() -> None:
    lda = estimator("lda", TASK)
    x, y, query = EPISODES.context_x_BND, EPISODES.context_y_BN, EPISODES.query_x_BD
    assert torch.equal(predict(lda, EPISODES), lda(x, y, query))
    with pytest.raises(ValueError, match="must see the latents"):
        oracle(TASK)(x, y, query)


def test_any_function_is_a_predictor() -> None:
    def nearest_mean(x_BND: Tensor, y_BN: Tensor, query_BD: Tensor) -> Tensor:
        sign_BN1 = (2 * y_BN - 1).unsqueeze(-1)
        return ((sign_BN1 * x_BND).mean(1) * query_BD).sum(-1)

    x, y, query = EPISODES.context_x_BND, EPISODES.context_y_BN, EPISODES.query_x_BD
    answered_B = predict(nearest_mean, EPISODES)
    assert torch.allclose(answered_B, nearest_mean(x, y, query).double())
    found = scores(answered_B, evaluation_set(TASK, EPISODES))
    assert found["excess_risk"] > 0
    with pytest.raises(ValueError, match=r"the shape \(\d+,\), not \(\d+, 4\)"):
        predict(lambda _x, _y, query_BD: query_BD, EPISODES)


def test_episodes_of_another_dimension_are_refused_in_one_sentence() -> None:
    with pytest.raises(ValueError, match="has dim=16, but the episodes have dim=4"):
        predict(bayes(TASKS["A"]), EPISODES)
    with pytest.raises(ValueError, match="has dim=16, but the episodes have dim=4"):
        evaluation_set(TASKS["A"], EPISODES)
    model = Transformer(Architecture(dim=16, positions=33))
    with pytest.raises(ValueError, match=r"context_x must have the shape .*, 16\)"):
        predict(model, EPISODES)
    longer = TASKS["A"].sample(3, n_context=40)
    with pytest.raises(ValueError, match="33"):
        predict(model, longer)
    points = longer.context_x_BND, longer.context_y_BN.double(), longer.query_x_BD
    assert Transformer(Architecture(dim=16, positions=41))(*points).shape == (3,)


def test_a_name_is_not_a_task_and_an_unknown_estimator_is_answered() -> None:
    with pytest.raises(TypeError, match="give a task, not its name 'A'"):
        bayes("A")  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="choose one of: bayes, oracle"):
        estimator("lad", TASK)
