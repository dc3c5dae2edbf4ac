"""Predictors of other kinds answer as they do where they come from."""

import math
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import logit
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from icl_mlflow.estimators.adapters import of_classifier, of_numpy, predictor_of
from icl_mlflow.evaluation import predict
from icl_mlflow.tasks import TASKS

EPISODES = TASKS["A"].sample(50, 12, stream="test")


def test_a_function_of_arrays_gets_arrays() -> None:
    def nearest_mean(x: Any, y: Any, query: Any) -> Any:
        assert {type(one) for one in (x, y, query)} == {np.ndarray}
        assert (x.dtype, y.dtype) == (np.float64, np.int64)
        sign = 2 * y - 1
        return np.einsum("bn,bnd,bd->b", sign, x, query)

    found = predict(of_numpy(nearest_mean), EPISODES)
    sign_BN = 2 * EPISODES.context_y_BN.double() - 1
    x_BND, query_BD = EPISODES.context_x_BND.double(), EPISODES.query_x_BD.double()
    expected = torch.einsum("bn,bnd,bd->b", sign_BN, x_BND, query_BD)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    "classifier",
    [
        LogisticRegression(C=0.1),
        make_pipeline(StandardScaler(), GaussianNB()),
    ],
    ids=["logistic regression", "a pipeline"],
)
def test_a_classifier_is_fitted_to_every_context_alone(classifier: Any) -> None:
    found = predict(of_classifier(classifier), EPISODES)
    for index in (0, 7, 49):
        fitted = clone(classifier).fit(
            EPISODES.context_x_BND[index].double().numpy(),
            EPISODES.context_y_BN[index].numpy(),
        )
        query = EPISODES.query_x_BD[index].double().numpy()
        p = fitted.predict_proba(query[None])[0, 1]
        p = np.clip(p, 1e-6, 1 - 1e-6)
        assert float(found[index]) == pytest.approx(logit(p), rel=1e-6)
    with pytest.raises(NotFittedError):  # it was copied, and is as it was
        check_is_fitted(classifier)


def test_certainty_is_bounded() -> None:
    found = predict(of_classifier(KNeighborsClassifier(1), least=1e-3), EPISODES)
    np.testing.assert_allclose(found.abs(), math.log(999))


def test_a_complaint_of_all_fits_is_heard_once() -> None:
    hurried = of_classifier(LogisticRegression(max_iter=1))
    with pytest.warns(ConvergenceWarning) as heard:
        predict(hurried, EPISODES)
    assert len(heard) == 1
    with warnings.catch_warnings(record=True) as more:
        warnings.simplefilter("always")
        predict(hurried, EPISODES)
    assert more == []


def test_a_context_of_one_class_is_answered_by_laplace() -> None:
    classifier = of_classifier(LogisticRegression())
    x, query = torch.zeros(2, 3, 1), torch.zeros(2, 1)
    y = torch.tensor([[1, 1, 1], [0, 0, 0]])
    found = classifier(x, y, query)
    assert found.tolist() == pytest.approx([math.log(4), -math.log(4)])


def test_what_cannot_be_asked_is_told() -> None:
    with pytest.raises(TypeError, match="RidgeClassifier has no predict_proba"):
        predictor_of(RidgeClassifier())
    with pytest.raises(TypeError, match="int cannot be asked: give a function"):
        predictor_of(3)
    assert predictor_of(math.hypot) is math.hypot
