"""Parameters lie where their names say."""

import torch
from torch import nn

from icl_mlflow.models.placement import place


def test_a_parameter_is_found_by_its_name() -> None:
    root = nn.Module()
    for name in ("a.b.weight", "a.b.bias", "a.c", "d"):
        place(root, name, nn.Parameter(torch.ones(2)))
    assert sorted(root.state_dict()) == ["a.b.bias", "a.b.weight", "a.c", "d"]
    assert torch.equal(root.get_parameter("a.b.bias"), torch.ones(2))
