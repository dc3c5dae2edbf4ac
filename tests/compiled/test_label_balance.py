"""A head that is heard only where one label is more frequent than the other."""

from dataclasses import replace

import pytest
import torch

from icl_mlflow.compiled import CIRCUITS
from icl_mlflow.compiled.circuit import compiled
from icl_mlflow.models import Site
from icl_mlflow.models.interventions import zeroed
from icl_mlflow.tasks import TASKS


@pytest.mark.parametrize("ones", [16, 8, 24])
@torch.no_grad()
def test_the_head_matters_for_unbalanced_labels_alone(ones: int) -> None:
    drawn = TASKS["A"].sample(50, 32, stream="test")
    y_BN = (torch.arange(32) < ones).long().expand_as(drawn.context_y_BN)
    seen = replace(drawn, context_y_BN=y_BN)
    asked = seen.context_x_BND, seen.context_y_BN, seen.query_x_BD
    model = compiled(CIRCUITS["label_balance"])
    mute = zeroed(Site("head_output", 0), (slice(None), 2))
    lost_B = model.trace(*asked).logit_B - model.trace(*asked, edit=mute).logit_B
    expected = 4 * (2 * ones - 32) / 33
    assert torch.allclose(lost_B, torch.full_like(lost_B, expected), atol=1e-3)
