"""The regressions are scikit-learn's, episode by episode."""

from dataclasses import replace

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.linear_model import Ridge as SklearnRidge

from icl_mlflow.estimators.regression import Logistic, Ridge
from icl_mlflow.tasks import TASKS

FEW = 20


@pytest.mark.parametrize("task_name", TASKS)
@pytest.mark.parametrize("penalty", [0.01, 1.0, 30.0])
def test_logistic(task_name: str, penalty: float) -> None:
    task = TASKS[task_name]
    episodes = task.sample(FEW, 32)
    found = Logistic(penalty)(task, episodes)
    for i in range(FEW):
        sklearn = LogisticRegression(
            C=1 / penalty, solver="newton-cholesky", tol=1e-12, max_iter=1_000
        )
        x_ND = episodes.context_x_BND[i].double().numpy()
        sklearn.fit(x_ND, episodes.context_y_BN[i].numpy())
        expected = sklearn.decision_function(episodes.query_x_BD[i : i + 1].double())[0]
        assert float(found[i]) == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_logistic_converges_far_from_the_origin() -> None:
    # A first whole Newton step overshoots here; the optimum moves along with x.
    near = TASKS["B"].sample(FEW, 32)
    far = replace(
        near,
        context_x_BND=near.context_x_BND.double() + 1e3,
        query_x_BD=near.query_x_BD.double() + 1e3,
    )
    rule = Logistic(1e-3)
    torch.testing.assert_close(
        rule(TASKS["B"], far), rule(TASKS["B"], near), rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize("penalty", [0.01, 1.0, 30.0])
def test_ridge(penalty: float) -> None:
    episodes = TASKS["A"].sample(FEW, 32)
    found = Ridge(penalty)(TASKS["A"], episodes)
    for i in range(FEW):
        x_ND = episodes.context_x_BND[i].double().numpy()
        sign_N = 2 * episodes.context_y_BN[i].double().numpy() - 1
        sklearn = SklearnRidge(alpha=penalty).fit(x_ND, sign_N)
        expected = sklearn.predict(episodes.query_x_BD[i : i + 1].double())[0]
        assert float(found[i]) == pytest.approx(expected, abs=1e-9)


def test_logistic_without_one_of_the_classes_knows_nothing() -> None:
    episodes = TASKS["A"].sample(100, 2)
    logit_B = Logistic(1.0)(TASKS["A"], episodes)
    lacking_B = episodes.context_y_BN.sum(1) != 1
    assert (logit_B[lacking_B] == 0).all()
    assert (logit_B[~lacking_B] != 0).all()
