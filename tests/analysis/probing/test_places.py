"""Streams by place, and the answers of a model whose stream is moved there."""

import torch

from icl_mlflow.analysis.base import Subject
from icl_mlflow.analysis.mechanism.internals import transformer_of
from icl_mlflow.analysis.probing.places import (
    Place,
    answers,
    places,
    raw_features,
    streams,
)
from icl_mlflow.compiled import CIRCUITS
from tests.analysis.probing.conftest import closed_form, largest

#: Where the circuit's second register stands: the mean of all points.
MEAN = slice(16, 32)


def test_a_register_is_found_at_its_place(two_layers: Subject) -> None:
    seen = two_layers.truth.seen.rows(0, 40)
    found = streams(transformer_of(two_layers), seen)
    assert tuple(found) == places(transformer_of(two_layers).architecture)
    (mean_BD,) = (
        held.of(seen)
        for held in CIRCUITS["two_layers"].truth.holds
        if (held.name, held.layer, held.role) == ("mean", 1, "query")
    )
    for role in ("query", "context"):
        assert largest(found[Place(1, role)][:, MEAN] - mean_BD) < 1e-3  # type: ignore[arg-type]
        assert largest(found[Place(0, role)][:, MEAN]) == 0  # type: ignore[arg-type]


def test_raw_features_are_points_and_labels(two_layers: Subject) -> None:
    seen = two_layers.truth.seen.rows(0, 5)
    found = raw_features(transformer_of(two_layers), seen)
    assert torch.equal(found["query"][:, 17:], seen.query_x_BD.double())
    mean_BD = seen.context_x_BND.double().mean(1)
    assert torch.allclose(found["context"][:, :16], mean_BD, atol=1e-5)
    share_B = seen.context_y_BN.double().mean(1)
    assert torch.allclose(found["context"][:, 16], share_B, atol=1e-6)


def test_a_model_whose_stream_is_moved_answers_as_its_closed_form(
    two_layers: Subject,
) -> None:
    seen = two_layers.truth.seen.rows(0, 40)
    rng = torch.Generator().manual_seed(0)
    change_BD = torch.randn(40, 16, generator=rng, dtype=torch.float64)
    by_BM = torch.zeros(40, 88, dtype=torch.float64)
    by_BM[:, MEAN] = change_BD
    by_BM[:, -1] = -change_BD.sum(1)  # the balance
    moved_B = answers(transformer_of(two_layers), seen, Place(1, "query"), by_BM)
    known = two_layers.task.statistics(seen)["mean"]
    assert largest(moved_B - closed_form(seen, known + change_BD)) < 5e-3
    too_late_B = answers(transformer_of(two_layers), seen, Place(2, "query"), by_BM)
    assert largest(too_late_B - two_layers.logit_B[:40]) < 1e-3
