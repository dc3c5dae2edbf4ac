"""It is torch's MLP of the whole episode, short contexts followed by zeros."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from icl_mlflow.models.families.mlp import MLP
from tests.models.small import SMALL, draw, inputs

ARCHITECTURE = replace(SMALL, family="mlp", positions=13)


def test_it_is_torchs() -> None:
    model = MLP(ARCHITECTURE).double()
    layers = [
        module
        for index in range(SMALL.n_layers + 1)
        for module in (_linear(model, f"layers.{index}"), nn.GELU())
    ]
    torchs = nn.Sequential(*layers, _linear(model, "head"))
    for n_context in (12, 5, 0):
        x_BND, y_BN, query_x_BD = inputs(draw().first(n_context), torch.float64)
        points = torch.zeros(len(y_BN), 12, SMALL.dim + 1, dtype=torch.float64)
        points[:, :n_context, :-1] = x_BND
        points[:, :n_context, -1] = 2 * y_BN - 1
        expected_B1 = torchs(torch.cat([points.flatten(1), query_x_BD], dim=1))
        torch.testing.assert_close(
            model(x_BND, y_BN, query_x_BD), expected_B1[:, 0], rtol=0, atol=1e-12
        )


def test_more_points_than_there_is_room_for_are_refused() -> None:
    model = MLP(ARCHITECTURE)
    with pytest.raises(ValueError, match="room for 12 context points, not 13"):
        model(*inputs(draw(13)))


def _linear(model: nn.Module, name: str) -> nn.Linear:
    weight = model.get_parameter(f"{name}.weight")
    found = nn.Linear(weight.shape[1], weight.shape[0]).double()
    found.weight.data = weight.data
    found.bias.data = model.get_parameter(f"{name}.bias").data
    return found
