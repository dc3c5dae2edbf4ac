"""Class means, as one would write them down point by point."""

import torch

from icl_mlflow.compiled import CIRCUITS
from tests.models.small import draw


def test_it_is_the_product_with_the_difference_of_the_means() -> None:
    asked = draw()
    answer_B = CIRCUITS["class_means"].answer(asked)
    for episode, answer in enumerate(answer_B):
        x_ND, y_N = asked.context_x_BND[episode].double(), asked.context_y_BN[episode]
        apart_D = x_ND[y_N == 1].mean(0) - x_ND[y_N == 0].mean(0)
        assert torch.isclose(
            answer, 2 / 3 * (apart_D @ asked.query_x_BD[episode].double())
        )
