"""The rules that multiply are what they say, and what tasks C and F need."""

import math

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from icl_mlflow.estimators import ESTIMATORS
from icl_mlflow.estimators.base import estimate
from icl_mlflow.estimators.product import SignedRidge, SignProduct
from icl_mlflow.estimators.tuning import Calibrated
from icl_mlflow.evaluation import excess_risk
from icl_mlflow.tasks import TASKS
from icl_mlflow.tasks.base import with_parameters

FEW = 20


def test_the_sign_product_by_hand() -> None:
    for dim in (4, 5):  # of five, the last has no partner
        task = with_parameters(TASKS["A"], {"dim": dim})
        episodes = task.sample(FEW, 3)
        found = SignProduct()(task, episodes)
        for i in range(FEW):
            total = 0.0
            for x_D, y in zip(
                episodes.context_x_BND[i], episodes.context_y_BN[i], strict=True
            ):
                total += (2 * int(y) - 1) * float(x_D[:2] @ x_D[2:4])
            query_D = episodes.query_x_BD[i]
            expected = total / 3 * float(query_D[:2] @ query_D[2:4])
            assert float(found[i]) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("penalty", [0.01, 1.0, 30.0])
def test_signed_ridge_is_scikit_learns(penalty: float) -> None:
    task = TASKS["F"]
    episodes = task.sample(FEW, 32)
    found = SignedRidge(penalty)(task, episodes)
    for i in range(FEW):
        x_ND = episodes.context_x_BND[i].double().numpy()
        sign_N = 2 * episodes.context_y_BN[i].double().numpy() - 1
        sklearn = Ridge(alpha=penalty, fit_intercept=False)
        sklearn.fit(x_ND[:, :-1], sign_N * x_ND[:, -1])
        query_D = episodes.query_x_BD[i].double().numpy()
        expected = query_D[-1] * float(sklearn.predict(query_D[None, :-1])[0])
        assert float(found[i]) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("task_name", "name"), [("C", "sign_product"), ("F", "signed_ridge")]
)
def test_each_is_near_bayes_on_its_task_where_linear_rules_guess(
    task_name: str, name: str
) -> None:
    task = TASKS[task_name]
    episodes = task.sample(4_000, 32, stream="another test")
    bayes_B = task.bayes_logit(episodes)
    risks = {}
    for one in (name, "lda_identity"):
        answer_B = estimate(Calibrated(ESTIMATORS[one]), task, episodes)
        risks[one] = float(excess_risk(answer_B, bayes_B).mean())
    entropy = torch.special.entr(torch.stack([bayes_B.sigmoid(), (-bayes_B).sigmoid()]))
    chance = math.log(2) - float(entropy.sum(0).mean())
    assert risks["lda_identity"] == pytest.approx(chance, abs=0.02)
    assert risks[name] < 0.3 * chance


def test_a_point_has_one_coordinate_at_least() -> None:
    task = with_parameters(TASKS["A"], {"dim": 1})
    episodes = task.sample(FEW, 8)
    for rule in (SignProduct(), SignedRidge(1.0)):
        assert np.all(rule(task, episodes).numpy() == 0)
