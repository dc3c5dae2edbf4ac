"""The part that brings most is chosen on half of the pairs, measured on the other."""

import pandas as pd
import pytest

from icl_mlflow.analysis.mechanism.patching.activation import ACTIVATION_PATCHING
from tests.analysis.concluded import concluded
from tests.analysis.mechanism.patching.planted import halves


def planted(share: float) -> pd.DataFrame:
    """A head that brings a share of the answer on the second half, all on the first."""
    rows = [
        ("source", "stream", "all", 1.0, 1.0),
        ("stream 0", "stream", "same class", 0.7, 0.7),
        ("stream 0", "stream", "query", 0.1, 0.1),
        ("head 1.1", "head", "all", 0.9, share),
        ("head 1.1", "head", "query", 2.0, 2.0),
        ("MLP 1", "MLP", "all", 0.2, 0.3),
    ]
    return halves(rows, ["part", "kind", "tokens"])


def test_the_verdict_is_whether_one_part_brings_most() -> None:
    said = concluded(ACTIVATION_PATCHING, planted(0.8))
    assert said.startswith("Yes: of heads and MLPs, head 1.1 brings most: 0.80 (95 %:")
    assert "of what all of the source costs the target with a label flip, 1.000" in said
    assert "by tokens: same class 0.70, query 0.10" in said
    assert concluded(ACTIVATION_PATCHING, planted(0.3)).startswith("No: ")
    assert concluded(ACTIVATION_PATCHING, planted(0.5)).startswith("Cannot be told: ")


def test_numbers_are_effects_in_nats_and_shares_of_streams() -> None:
    numbers = ACTIVATION_PATCHING.summarise(planted(0.8))
    assert numbers["largest_share"] == 0.8
    assert numbers["label_flip_mlp_1"] == 0.3
    assert numbers["label_flip_head_1.1_query"] == 2.0
    assert numbers["label_flip_stream_0_same_class_share/low"] == pytest.approx(0.65)
