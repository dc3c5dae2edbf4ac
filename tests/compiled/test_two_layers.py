"""The two-layer path finds the direction that exact Bayes finds."""

import torch

from icl_mlflow.compiled import CIRCUITS
from icl_mlflow.tasks import TASKS


def test_its_sum_is_along_the_means_that_bayes_infers() -> None:
    task = TASKS["A"]
    asked = task.sample(200, 32, stream="test")
    (signed_mean_BD,) = (
        held.of(asked)
        for held in CIRCUITS["two_layers"].truth.holds
        if held.name == "signed_mean" and held.role == "query"
    )
    v_BD = task.statistics(asked)["v"]
    assert torch.cosine_similarity(signed_mean_BD, v_BD).min() > 0.97
