"""Pairs of episodes, and a small model's computation of both."""

import pytest
import torch
from torch import Tensor

from icl_mlflow.models import Transformer
from icl_mlflow.models.patching.activation import PairedRun
from tests.models.conftest import model, randomised
from tests.models.small import draw, inputs

__all__ = ["model", "randomised"]

Asked = tuple[Tensor, Tensor, Tensor]


@pytest.fixture
def target() -> Asked:
    """Five episodes."""
    return inputs(draw(n_episodes=5), torch.float64)


@pytest.fixture
def source(target: Asked) -> Asked:
    """The same with their labels flipped, and of another query."""
    x_BND, y_BN, query_x_BD = target
    return x_BND, 1 - y_BN, query_x_BD.roll(1, 0)


@pytest.fixture
def run(model: Transformer, target: Asked, source: Asked) -> PairedRun:
    """Both, without gradients."""
    with torch.no_grad():
        return model.paired_run(target, source)


@pytest.fixture
def itself(model: Transformer, target: Asked) -> PairedRun:
    """Episodes beside themselves."""
    with torch.no_grad():
        return model.paired_run(target, target)
