"""Methods find what the truth of a circuit has, and are seen where they do not."""

from functools import cache

import pytest

from benchmarks.known_circuits.methods import METHODS, _has_edge
from benchmarks.known_circuits.subjects import balanced, subject
from icl_mlflow.analysis.base import Subject
from icl_mlflow.compiled import CIRCUITS

BY_NAME = {method.name: method for method in METHODS}
#: Methods that take a moment, and a circuit of each kind.
QUICK = (
    "logit attribution, evidence",
    "logit attribution, effect",
    "component ablation, mean",
    "component ablation, resample",
    "component ablation, mean, balanced labels",
    "linear probes",
)


@cache
def asked(name: str) -> Subject:
    return subject(name, episodes=150)


@pytest.mark.parametrize("method", QUICK)
@pytest.mark.parametrize("name", ["decoy_heads", "label_balance", "kernel_vote"])
def test_what_the_truth_has_is_above_all_else(method: str, name: str) -> None:
    assert BY_NAME[method].auroc(asked(name), CIRCUITS[name]) == 1


@pytest.mark.parametrize(
    ("method", "name"),
    [
        ("component ablation, zero", "decoy_heads"),
        ("OV alignment", "decoy_heads"),
        ("component ablation, mean, balanced labels", "decoy_heads"),
    ],
)
def test_decoys_fool_those_that_look_at_size_or_weights_alone(
    method: str, name: str
) -> None:
    found = BY_NAME[method].auroc(asked(name), CIRCUITS[name])
    assert (found < 1) == ("balanced" not in method)


def test_balanced_contexts_have_as_many_points_of_each_class() -> None:
    found = balanced(asked("label_balance"))
    assert len(found.truth) == 150
    assert (found.truth.seen.context_y_BN.sum(1) == 16).all()


@pytest.mark.parametrize(
    ("item", "known"),
    [
        ("head 1.1 > own block > MLP", True),
        ("head 1.1 > own block > skip", True),  # the second MLP reads the mean
        ("head 1.1 > next block > value 1", True),  # by way of the first MLP
        ("head 1.1 > next block > value 2", False),
        ("head 1.1 > next block > key 1", False),
        ("head 1.1 > next block > skip", True),
        ("MLP 1 > next block > value 1", True),
        ("MLP 1 > next block > skip", False),
        ("head 2.1 > own block > MLP", True),
        ("head 2.1 > own block > skip", False),
        ("head 1.2 > own block > MLP", False),
    ],
)
def test_edges_of_cuts_follow_from_those_of_the_circuit(item: str, known: bool) -> None:
    assert _has_edge(CIRCUITS["two_layers"].truth, item) is known
