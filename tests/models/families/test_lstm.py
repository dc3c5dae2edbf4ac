"""It is torch's LSTM, read out at the query."""

from dataclasses import replace

import torch
from torch import nn

from icl_mlflow.models.families.lstm import LSTM
from icl_mlflow.models.families.signed_points import signed_points
from tests.models.small import SMALL, draw, inputs


def test_it_is_torchs() -> None:
    model = LSTM(replace(SMALL, family="lstm")).double()
    parameters = dict(model.named_parameters())
    width = parameters["lstm.weight_hh_l0"].shape[1]
    torchs = nn.LSTM(SMALL.dim + 1, width, SMALL.n_layers, batch_first=True).double()
    with torch.no_grad():
        for name, value in torchs.named_parameters():
            known = parameters.get(f"lstm.{name}")
            value.copy_(torch.zeros_like(value) if known is None else known)
    points_BSF = signed_points(*inputs(draw(), torch.float64))
    expected_B1 = (
        torchs(points_BSF)[0][:, -1] @ parameters["head.weight"].t()
        + parameters["head.bias"]
    )
    torch.testing.assert_close(
        model(*inputs(draw(), torch.float64)), expected_B1[:, 0], rtol=0, atol=1e-12
    )
