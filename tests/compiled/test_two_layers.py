"""The two-layer path finds the direction that exact Bayes finds."""

import torch

from icl_mlflow.compiled import CIRCUITS
from icl_mlflow.tasks import TASKS


def test_its_sum_is_along_the_means_that_bayes_infers() -> None:
    task = TASKS["A"]
    asked = task.sample(200, 32, stream="test")
    (signed_mean,) = (
        held.of(asked)
        for held in CIRCUITS["two_layers"].truth.holds
        if held.name == "signed_mean" and held.role == "query"
    )
    answer_B, plug_in_B = (
        CIRCUITS["two_layers"].answer(asked),
        task.plug_in_logit(asked),
    )
    told = torch.corrcoef(torch.stack([answer_B, plug_in_B]))[0, 1]
    assert told > 0.98
    mu_BD = asked.latents["mu"].double()
    assert (torch.cosine_similarity(signed_mean, mu_BD) > 0.4).double().mean() > 0.98
