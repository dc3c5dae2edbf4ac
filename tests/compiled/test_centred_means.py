"""The nearest class mean is a discriminant, and knows of no shift."""

from dataclasses import replace

import torch

from icl_mlflow.compiled import CIRCUITS
from icl_mlflow.estimators import ESTIMATORS
from icl_mlflow.tasks import TASKS
from tests.models.small import draw


def test_it_is_the_discriminant_with_the_identity_for_a_covariance() -> None:
    asked = draw()
    estimator = ESTIMATORS[CIRCUITS["centred_means"].truth.estimator]
    answer_B = CIRCUITS["centred_means"].answer(asked)
    assert torch.allclose(answer_B, 2 / 3 * estimator(TASKS["A"], asked))


def test_a_shift_of_all_points_changes_nothing() -> None:
    asked = draw()
    shifted = replace(
        asked,
        context_x_BND=asked.context_x_BND.double() + 7,
        query_x_BD=asked.query_x_BD.double() + 7,
    )
    for name, keeps in {"centred_means": True, "class_means": False}.items():
        answer = CIRCUITS[name].answer
        assert torch.allclose(answer(asked), answer(shifted), atol=1e-5) is keeps
        assert ("translation" in CIRCUITS[name].truth.symmetries) is keeps
