"""The discriminants are scikit-learn's, episode by episode."""

import numpy as np
import pytest
from sklearn.discriminant_analysis import (
    LinearDiscriminantAnalysis,
    QuadraticDiscriminantAnalysis,
)

from icl_mlflow.estimators.discriminant import (
    IdentityDiscriminant,
    LinearDiscriminant,
    QuadraticDiscriminant,
)
from icl_mlflow.tasks import TASKS

FEW = 20


@pytest.mark.parametrize("task_name", TASKS)
@pytest.mark.parametrize("shrinkage", [0.1, 0.7, 1.0])
def test_linear(task_name: str, shrinkage: float) -> None:
    task = TASKS[task_name]
    episodes = task.sample(FEW, 32)
    found = LinearDiscriminant(shrinkage)(task, episodes)
    for i in range(FEW):
        y_N = episodes.context_y_BN[i].numpy()
        sklearn = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage)
        sklearn.fit(episodes.context_x_BND[i].double().numpy(), y_N)
        expected = sklearn.decision_function(episodes.query_x_BD[i : i + 1].double())[0]
        # It takes label frequencies for prior odds; ours are even.
        expected -= np.log(y_N.mean() / (1 - y_N.mean()))
        assert float(found[i]) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("task_name", TASKS)
@pytest.mark.parametrize("shrinkage", [0.1, 0.7, 1.0])
def test_quadratic(task_name: str, shrinkage: float) -> None:
    task = TASKS[task_name]
    episodes = task.sample(FEW, 32)
    found = QuadraticDiscriminant(shrinkage)(task, episodes)
    for i in range(FEW):
        sklearn = QuadraticDiscriminantAnalysis(
            solver="eigen", shrinkage=shrinkage, priors=[0.5, 0.5]
        )
        x_ND = episodes.context_x_BND[i].double().numpy()
        sklearn.fit(x_ND, episodes.context_y_BN[i].numpy())
        expected = sklearn.decision_function(episodes.query_x_BD[i : i + 1].double())[0]
        assert float(found[i]) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_identity_is_half_the_difference_of_squared_distances() -> None:
    episodes = TASKS["A"].sample(FEW, 8)
    found = IdentityDiscriminant()(TASKS["A"], episodes)
    for i in range(FEW):
        x_ND, y_N = episodes.context_x_BND[i].double(), episodes.context_y_BN[i]
        gap_D = [episodes.query_x_BD[i] - x_ND[y_N == c].mean(0) for c in (0, 1)]
        expected = (gap_D[0].square().sum() - gap_D[1].square().sum()) / 2
        assert float(found[i]) == pytest.approx(float(expected), abs=1e-9)


def test_a_known_distance_takes_the_place_of_the_estimated_one() -> None:
    episodes = TASKS["A"].sample(FEW, 32)
    estimated = IdentityDiscriminant()(TASKS["A"], episodes)
    known = IdentityDiscriminant(distance=2.0)(TASKS["A"], episodes)
    for i in range(FEW):
        x_ND, y_N = episodes.context_x_BND[i].double(), episodes.context_y_BN[i]
        distance = (x_ND[y_N == 1].mean(0) - x_ND[y_N == 0].mean(0)).norm()
        assert float(known[i]) == pytest.approx(float(2 / distance * estimated[i]))


@pytest.mark.parametrize(
    "rule",
    [IdentityDiscriminant(), LinearDiscriminant(0.1), QuadraticDiscriminant(0.1)],
)
def test_without_one_of_the_classes_nothing_is_known(rule) -> None:
    episodes = TASKS["A"].sample(100, 2)
    logit_B = rule(TASKS["A"], episodes)
    lacking_B = episodes.context_y_BN.sum(1) != 1
    assert (logit_B[lacking_B] == 0).all()
    assert (logit_B[~lacking_B] != 0).all()
