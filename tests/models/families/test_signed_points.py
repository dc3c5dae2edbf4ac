"""Points carry their labels as signs, and every family is as large as the baseline."""

from typing import Any

import pytest
import torch

from icl_mlflow.models import FAMILIES, Architecture
from icl_mlflow.models.families.signed_points import signed_points, size
from tests.models.small import draw, inputs


def test_labels_are_signs_and_queries_have_none() -> None:
    x_BND, y_BN, query_x_BD = inputs(draw())
    points = signed_points(x_BND, y_BN, torch.stack([query_x_BD, query_x_BD], 1))
    assert torch.equal(points[:, :12, :-1], x_BND)
    assert torch.equal(points[:, :12, -1], 2.0 * y_BN - 1)
    assert torch.equal(points[:, 12, :-1], query_x_BD)
    assert not points[:, 12:, -1].any()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "shape",
    [
        {"dim": 16, "positions": 33},
        {"dim": 16, "positions": 65, "n_layers": 1},
        {"dim": 4, "positions": 9, "d_model": 32},
        {"dim": 8, "positions": 17, "d_model": 64, "n_layers": 4},
    ],
)
def test_every_family_is_as_large_as_the_transformer(
    family: str, shape: dict[str, Any]
) -> None:
    sizes = [
        size(FAMILIES[name].layout(Architecture(family=name, **shape)))
        for name in ("transformer", family)
    ]
    assert sizes[1] == pytest.approx(sizes[0], rel=0.05)
