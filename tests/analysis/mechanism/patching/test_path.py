"""Edges of one sender, what they leave over, and the one that carries most."""

from collections.abc import Callable

import pandas as pd
import pytest
import torch

from benchmarks.known_circuits.subjects import subject
from icl_mlflow.analysis.base import Subject
from icl_mlflow.analysis.mechanism.patching.effects import effects
from icl_mlflow.analysis.mechanism.patching.path import PATH_PATCHING, senders
from icl_mlflow.models import Architecture
from tests.analysis.concluded import concluded
from tests.analysis.mechanism.patching.planted import halves

SubjectOf = Callable[..., Subject]


def test_edges_and_what_they_leave_over_sum_to_their_senders_effect(
    subject_of: SubjectOf,
) -> None:
    frame = PATH_PATCHING.measure(subject_of(n_heads=2, n_layers=2))
    whole = frame[frame["reader"] == "all"].set_index(["pair", "sender"])["effect"]
    cuts = frame[frame["reader"] != "all"].groupby(["pair", "sender", "cut"])
    sums = cuts["effect"].sum()
    assert len(sums) == 3 * (1 + 2 * 2 + 1 + 2)  # tokens, heads 1, MLP 1, heads 2
    for (pair, sender, _cut), total in sums.items():
        assert total == pytest.approx(whole[pair, sender], abs=1e-9)


def test_a_sender_that_all_hear_is_the_patch_of_the_part(
    subject_of: SubjectOf,
) -> None:
    """The same pairs go through both analyses."""
    subject = subject_of(n_heads=2)
    edges = PATH_PATCHING.measure(subject).set_index(["pair", "sender", "reader"])
    parts = effects(subject).set_index(["pair", "part", "tokens"])
    for pair in ("label flip", "query swap", "shift change"):
        for part in ("head 1.2", "MLP 1"):
            there = parts.loc[(pair, part, "all"), "effect"]
            assert edges.loc[(pair, part, "all"), "effect"].item() == there
        there = parts.loc[(pair, "source", "all"), "effect"]
        assert edges.loc[(pair, "tokens", "all"), "effect"].item() == there


def test_a_block_whose_attention_writes_nothing_hears_by_its_skip_alone(
    subject_of: SubjectOf,
) -> None:
    subject = subject_of(n_heads=2)
    assert subject.transformer is not None
    with torch.no_grad():
        name = "transformer.layers.1.self_attn.out_proj.weight"
        subject.transformer.get_parameter(name).zero_()
    frame = PATH_PATCHING.measure(subject)
    onward = frame[(frame["cut"] == "next block") & (frame["sender"] == "head 1.1")]
    by_reader = onward.set_index(["pair", "reader"])["effect"]
    for (pair, reader), effect in by_reader.items():
        if reader in {"skip", "remainder"}:
            continue
        assert effect == 0, (pair, reader)
    assert (by_reader.xs("skip", level="reader") != 0).all()
    assert (by_reader.xs("remainder", level="reader") == 0).all()


def test_the_path_of_a_known_circuit_is_found_edge_by_edge() -> None:
    """Centre, multiply by labels, sum, compare; what no part reads is not reached."""
    frame = PATH_PATCHING.measure(subject("two_layers", episodes=16))
    sizes = frame["effect"].abs().groupby(
        [frame["sender"], frame["cut"], frame["reader"]]
    )  # fmt: skip
    found = {at for at, size in sizes.max().items() if size > 0.02}
    edges = {at for at in found if at[1] != "everywhere" and at[2] != "remainder"}
    assert edges == {
        ("tokens", "next block", "value 1"),
        ("tokens", "next block", "skip"),
        ("head 1.1", "own block", "MLP"),
        ("head 1.1", "own block", "skip"),
        ("head 1.1", "next block", "value 1"),
        ("head 1.1", "next block", "skip"),
        ("MLP 1", "next block", "value 1"),
        ("head 2.1", "own block", "MLP"),
    }
    nothing = sizes.max().drop(index=list(found))
    assert nothing.max() < 0.002


def planted(share: float) -> pd.DataFrame:
    rows = [
        ("tokens", "everywhere", "all", 1.0, 1.0),
        ("tokens", "next block", "value 1", 0.95, share),
        ("tokens", "next block", "skip", 0.2, 0.2),
        ("head 1.1", "everywhere", "all", 0.9, 0.9),
        ("head 1.1", "own block", "MLP", 0.9, 0.99),
        ("head 1.1", "own block", "remainder", 0.0, 0.0),
        ("head 1.1", "next block", "value 1", 0.8, 0.6),
        ("head 1.1", "next block", "skip", 0.1, 0.1),
        ("head 1.1", "next block", "remainder", 0.0, 0.0),
    ]
    return halves(rows, ["sender", "cut", "reader"])


def test_the_verdict_is_about_the_edge_that_carries_most() -> None:
    said = concluded(PATH_PATCHING, planted(0.8))
    assert said.startswith("Yes: ")
    told = "to the first block's value 1, carries 0.80 (95 %: 0.75 to 0.85, 1,000"
    assert told in said
    assert "into the next block, head 1.1 to value 1: 0.60 (95 %: 0.55 to" in said
    assert "leave 0% of their senders' over" in said
    assert concluded(PATH_PATCHING, planted(0.3)).startswith("No: ")
    numbers = PATH_PATCHING.summarise(planted(0.8))
    assert numbers["label_flip_head_1.1_next_block_value_1"] == 0.6


def test_a_single_block_has_edges_out_of_the_tokens_alone(
    subject_of: SubjectOf,
) -> None:
    frame = PATH_PATCHING.measure(subject_of(n_layers=1))
    said = concluded(PATH_PATCHING, frame)
    assert "out of heads and MLPs" not in said
    assert set(frame.loc[frame["cut"] == "next block", "sender"]) == {"tokens"}


def test_senders_are_the_tokens_and_every_head_and_mlp() -> None:
    assert list(senders(Architecture(n_layers=2, n_heads=2))) == [
        *("tokens", "head 1.1", "head 1.2", "MLP 1", "head 2.1", "head 2.2", "MLP 2")
    ]
