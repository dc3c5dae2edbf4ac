"""Predictors of other kinds, to be asked as a model is asked.

    of_numpy         a function of numpy arrays
    of_classifier    a classifier as scikit-learn has them, fitted to every context anew
    of_pyfunc        a model that MLflow has loaded, with the inputs of ours

Each answers log-odds of y_q = 1 in nats for a context and its query, so `predict` and
`score` take what they give.
"""

import copy
import warnings
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_Floats = NDArray[np.float64]
#: Context points, their labels and the query to log-odds: what `predict` asks.
_Predictor = Callable[[Tensor, Tensor, Tensor], Tensor]

#: The inputs of a model, by the names of its signature.
INPUTS = ("context_x", "context_y", "query_x")
_LEAST = 1e-6


class Classifier(Protocol):
    """What scikit-learn calls a classifier, as far as it is needed here."""

    classes_: Any

    def fit(self, x: Any, y: Any) -> Any:
        """Learn from points (N, D) and labels (N,)."""

    def predict_proba(self, x: Any) -> Any:
        """A row a point, a column a class."""


class PyfuncModel(Protocol):
    """What ``mlflow.pyfunc.load_model`` gives, as far as it is needed here."""

    def predict(self, data: Any) -> Any:
        """Log-odds (B,) for a dictionary of `INPUTS`."""


def of_numpy(
    function: Callable[[_Floats, NDArray[np.int64], _Floats], Any],
) -> _Predictor:
    """A predictor from a function of arrays: (B, N, D), (B, N), (B, D) to (B,) nats."""

    def answer(context_x: Tensor, context_y: Tensor, query_x: Tensor) -> Tensor:
        found = function(
            context_x.double().cpu().numpy(),
            context_y.cpu().numpy(),
            query_x.double().cpu().numpy(),
        )
        return torch.as_tensor(np.asarray(found, dtype=np.float64))

    return answer


def of_classifier(classifier: Classifier, least: float = _LEAST) -> _Predictor:
    """A predictor that fits a copy of ``classifier`` to every context.

    A context of one class alone, which few classifiers take, is answered by Laplace's
    rule: one more of either label is supposed.

    Args:
        classifier: not fitted, with ``predict_proba``.
        least: a probability nearer to 0 or 1 is taken for this one; certainty that is
            wrong once would cost infinitely.

    Raises:
        TypeError: it has no ``predict_proba``.
    """
    if not (hasattr(classifier, "fit") and hasattr(classifier, "predict_proba")):
        raise TypeError(
            f"{type(classifier).__name__} has no predict_proba, so it answers no "
            "log-odds; wrap it, as by sklearn.calibration.CalibratedClassifierCV"
        )

    said: set[str] = set()

    def one(x: _Floats, y: NDArray[np.int64], query: _Floats) -> float:
        if len(np.unique(y)) < 2:  # noqa: PLR2004 (classes)
            return float((y.sum() + 1) / (len(y) + 2))
        fitted = copy.deepcopy(classifier)
        fitted.fit(x, y)
        (column,) = np.flatnonzero(np.asarray(fitted.classes_) == 1)
        return float(np.asarray(fitted.predict_proba(query[None]))[0, column])

    def answer(x: _Floats, y: NDArray[np.int64], query: _Floats) -> _Floats:
        with warnings.catch_warnings(record=True) as heard:
            p = np.array([one(*episode) for episode in zip(x, y, query, strict=True)])
        for warning in heard:  # what one fit complains of, thousands do
            if (text := str(warning.message)) not in said:
                said.add(text)
                warnings.warn(text, warning.category, stacklevel=2)
        p = p.clip(least, 1 - least)
        log_odds: _Floats = np.log(p) - np.log1p(-p)
        return log_odds

    return of_numpy(answer)


def of_pyfunc(model: PyfuncModel) -> _Predictor:
    """A predictor from a model that MLflow has loaded.

    It must take `INPUTS` and answer log-odds, as the models of this package do: see
    `icl_mlflow.tracking.pyfunc`.
    """

    def answer(*seen: Tensor) -> Tensor:
        arrays = (value.cpu().numpy() for value in seen)
        found = model.predict(dict(zip(INPUTS, arrays, strict=True)))
        return torch.as_tensor(np.asarray(found, dtype=np.float64)).reshape(-1)

    return answer


def predictor_of(asked: Any) -> _Predictor:
    """Whatever can be asked, as a predictor.

    Args:
        asked: a model or function of tensors as it is, a classifier, or a model that
            MLflow has loaded. A function of arrays is to be given to `of_numpy`.

    Raises:
        TypeError: it is none of these.
    """
    if hasattr(asked, "predict_proba") or hasattr(asked, "decision_function"):
        return of_classifier(asked)
    if hasattr(asked, "predict") and hasattr(asked, "metadata"):
        return of_pyfunc(asked)
    if not callable(asked):
        raise TypeError(
            f"{type(asked).__name__} cannot be asked: give a function "
            "f(context_x, context_y, query_x), a classifier with predict_proba, or "
            "what mlflow.pyfunc.load_model gives"
        )
    found: _Predictor = asked
    return found
