"""Decoys: heads that are loud, constant, or copy labels that they never see."""

import pytest
import torch
from torch import Tensor

from icl_mlflow.analysis.mechanism.ov_alignment import alignment
from icl_mlflow.compiled import CIRCUITS
from icl_mlflow.compiled.circuit import compiled
from icl_mlflow.models import Edit, Site
from icl_mlflow.models.interventions import averaged, zeroed
from icl_mlflow.tasks import TASKS

ASKED = TASKS["A"].sample(100, 32, stream="test")


def moved(edit: Edit) -> float:
    """The mean change of the logit by an edit, in nats."""
    asked = ASKED.context_x_BND, ASKED.context_y_BN, ASKED.query_x_BD
    model = compiled(CIRCUITS["decoy_heads"])
    with torch.no_grad():
        change_B: Tensor = model.trace(*asked, edit=edit).logit_B - model(*asked)
    return float(change_B.abs().mean())


@pytest.mark.parametrize(("head", "by_zero"), [(3, 0), (4, 2), (5, 2)])
def test_without_what_it_says_of_this_episode_nothing_is_lost(
    head: int, by_zero: float
) -> None:
    site, part = Site("head_output", 0), (slice(None), head - 1)
    assert moved(averaged(site, part)) < 1e-2
    assert moved(zeroed(site, part)) == pytest.approx(by_zero, abs=1e-2)
    assert f"layer 1 head {head}" not in CIRCUITS["decoy_heads"].truth.matters


def test_the_heads_that_compute_are_missed() -> None:
    for head in (0, 1):
        assert moved(averaged(Site("head_output", 0), (slice(None), head))) > 0.5


def test_by_its_weights_a_decoy_copies_labels() -> None:
    cosine_H = alignment(compiled(CIRCUITS["decoy_heads"]))[0]
    # The balance takes half of what is written along the read-out.
    assert float(cosine_H[4]) == pytest.approx(0.5**0.5, abs=1e-3)
    assert cosine_H[:3].abs().max() < 0.1
