"""The vote by one head is the kernel that the paper compares with."""

import torch

from icl_mlflow.compiled import CIRCUITS
from icl_mlflow.estimators import ESTIMATORS
from icl_mlflow.tasks import TASKS
from tests.models.small import draw


def test_it_is_the_estimator_of_that_name() -> None:
    circuit, asked = CIRCUITS["kernel_vote"], draw()
    vote_B = ESTIMATORS[circuit.truth.estimator](TASKS["A"], asked)
    assert torch.allclose(circuit.answer(asked), 4 * vote_B)
