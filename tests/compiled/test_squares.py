"""Sums of squares tell wide classes from narrow ones."""

import torch

from icl_mlflow.compiled import CIRCUITS
from icl_mlflow.tasks import TASKS


def test_the_label_of_the_class_with_the_nearer_mean_square() -> None:
    asked = TASKS["B"].sample(2_000, 32, stream="test")
    square_BN = asked.context_x_BND.double().square().mean(-1)
    query_B = asked.query_x_BD.double().square().mean(-1)
    gaps = [
        (query_B - (square_BN * member_BN).sum(1) / member_BN.sum(1)).abs()
        for member_BN in (asked.context_y_BN == 0, asked.context_y_BN == 1)
    ]
    answer_B = CIRCUITS["squares"].answer(asked)
    assert torch.equal(answer_B > 0, gaps[1] < gaps[0])
    right_B = (answer_B > 0) == (asked.query_y_B == 1)
    assert right_B.double().mean() > 0.8
