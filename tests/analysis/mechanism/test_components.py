"""What changes nothing differs by nothing: every answer is beside its own whole."""

from collections.abc import Callable

import torch

from icl_mlflow.analysis.base import Subject
from icl_mlflow.analysis.mechanism.components import WAYS, Place, answers
from icl_mlflow.evaluation import predict

SubjectOf = Callable[..., Subject]


def test_there_is_an_answer_without_each_head_mlp_and_layer(
    subject_of: SubjectOf,
) -> None:
    subject = subject_of(n_heads=4, n_layers=2)
    found = answers(subject, 24)
    for way in WAYS:
        for layer in (1, 2):
            assert {Place(way, "head", layer, head) for head in (1, 2, 3, 4)} <= {
                *found
            }
            assert {Place(way, kind, layer) for kind in ("MLP", "layer")} <= {*found}
    whole = [logit_B for place, logit_B in found.items() if not place.way]
    exact_B = predict(subject.predictor, subject.truth.seen)
    assert len(whole) == 4
    for logit_B in whole:
        torch.testing.assert_close(logit_B, exact_B, rtol=0, atol=1e-5)
    assert all(place.whole in found for place in found)


def test_parts_that_write_nothing_change_no_bit(subject_of: SubjectOf) -> None:
    subject = subject_of()
    assert subject.transformer is not None
    with torch.no_grad():
        for name in ("linear2.weight", "linear2.bias"):
            place = f"transformer.layers.1.{name}"
            subject.transformer.get_parameter(place).zero_()
    found = answers(subject, 24)
    for way in WAYS:
        place = Place(way, "MLP", 2)
        assert torch.equal(found[place], found[place.whole])
        assert not torch.equal(found[Place(way, "MLP", 1)], found[place.whole])
