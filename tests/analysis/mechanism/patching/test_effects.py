"""Effects are those of the whole model with a part exchanged, and nothing is exactly 0.

Two circuits are planted: an MLP that writes nothing, and weights of a last block that
hear the query's stream alone.
"""

from collections.abc import Callable

import pandas as pd
import pytest
import torch

from benchmarks.known_circuits.subjects import subject
from icl_mlflow.analysis.base import Subject
from icl_mlflow.analysis.mechanism.patching.effects import (
    ALL,
    WHOLE,
    Part,
    effects,
    first_kind,
    key,
    parts_of,
    single_parts,
)
from icl_mlflow.analysis.mechanism.patching.pairs import ROLES, PairFacts, pairs_of
from icl_mlflow.compiled import CIRCUITS
from icl_mlflow.models import Architecture, Site
from icl_mlflow.models.patching.activation import Patch
from icl_mlflow.models.patching.gradient import estimated

SubjectOf = Callable[..., Subject]


def row_of(
    frame: pd.DataFrame, pair: str, part: str, tokens: str
) -> "pd.Series[float]":
    at = (frame["pair"] == pair) & (frame["part"] == part) & (frame["tokens"] == tokens)
    (row,) = frame[at].iloc
    found: pd.Series[float] = row
    return found


def test_what_writes_nothing_has_exactly_no_effect(subject_of: SubjectOf) -> None:
    subject = subject_of(n_heads=4)
    assert subject.transformer is not None
    with torch.no_grad():
        for name in ("linear2.weight", "linear2.bias"):
            place = f"transformer.layers.0.{name}"
            subject.transformer.get_parameter(place).zero_()
        place = "transformer.layers.1.self_attn.out_proj.weight"
        subject.transformer.get_parameter(place)[:, 4:8] = 0
    frame = effects(subject)
    nothing = frame["part"].isin(["MLP 1", "head 2.2"])
    columns = ["effect", "moved", "estimate", "risk_estimate"]
    assert (frame.loc[nothing, columns] == 0).all(axis=None)
    others = frame[~nothing & (frame["kind"] != "stream") & (frame["tokens"] == ALL)]
    assert (others["effect"] != 0).all()


def test_the_whole_stream_at_the_query_before_the_read_out_is_everything(
    subject_of: SubjectOf,
) -> None:
    """Shares are of the source's whole effect, so the source has a share of one."""
    frame = effects(subject_of())
    for pair, part in frame.groupby("pair"):
        whole = row_of(part, str(pair), WHOLE, ALL)
        assert whole["share"] == pytest.approx(1, abs=1e-12)
        assert whole["moved"] > 0


def test_the_gradient_of_the_risk_vanishes_where_a_model_is_exact_bayes(
    subject_of: SubjectOf,
) -> None:
    """That of the log-odds does not: it is what tells anything there."""
    subject = subject_of()
    for pairs in pairs_of(subject, 8):
        for run, known in pairs.runs(subject):
            exact = PairFacts(run.target_logit_B.double(), known.roles)
            patch = Patch(Site("mlp_output", 0))
            risk_B, logit_B = (
                estimated(run, [patch], measure)[0]
                for measure in (exact.risk, lambda logit_B: logit_B)
            )
            assert risk_B.abs().max() < 1e-6 * logit_B.abs().max()


def test_a_query_swap_is_in_the_querys_token_alone(subject_of: SubjectOf) -> None:
    """Of the tokens, before anything is mixed; and it is all that differs."""
    frame = effects(subject_of())
    for role in ROLES[:2]:
        row = row_of(frame, "query swap", "stream 0", role)
        assert row["effect"] == row["estimate"] == 0
    at_query = row_of(frame, "query swap", "stream 0", "query")
    whole = row_of(frame, "query swap", WHOLE, ALL)
    assert at_query["effect"] == whole["effect"]
    assert row_of(frame, "label flip", "stream 0", "query")["effect"] == 0


def test_the_last_block_is_patched_at_the_query_alone() -> None:
    parts = list(parts_of(Architecture(n_layers=3, n_heads=2)))
    last = [part for part in parts if part.site.layer == 2 and part.kind != "stream"]
    assert {part.tokens for part in last} == {"query"}
    assert [part.name for part in last] == ["head 3.1", "head 3.2", "MLP 3"]
    assert len({(part.name, part.tokens) for part in parts}) == len(parts)
    assert isinstance(parts[0], Part)
    assert parts[0].name == WHOLE


def test_single_parts_are_each_head_and_mlp_once(subject_of: SubjectOf) -> None:
    frame = first_kind(effects(subject_of(n_heads=2)))
    assert list(single_parts(frame)["part"]) == [
        *("head 1.1", "head 1.2", "MLP 1", "head 2.1", "head 2.2", "MLP 2")
    ]
    assert set(frame["pair"]) == {"label flip"}


def test_numbers_are_named_after_pair_part_and_tokens() -> None:
    row = {"pair": "label flip", "part": "head 1.2", "tokens": ALL}
    assert key(row) == "label_flip_head_1.2"
    assert key(row | {"tokens": "same class"}) == "label_flip_head_1.2_same_class"


@pytest.mark.parametrize("circuit", ["decoy_heads", "label_balance", "two_layers"])
@pytest.mark.parametrize("column", ["effect", "moved", "estimate"])
def test_in_a_known_circuit_the_parts_that_compute_have_an_effect_and_no_others(
    circuit: str, column: str, frames: dict[str, pd.DataFrame]
) -> None:
    """Loud and constant decoys have none: only what differs between episodes can."""
    frame, truth = frames[circuit], CIRCUITS[circuit].truth
    sizes = frame[column].abs().groupby(frame["part"]).max()
    expected = truth.matters | truth.when_unbalanced
    for part in single_parts(frame)["part"].unique():
        kind, _, place = part.partition(" ")
        layer, _, head = place.partition(".")
        name = f"layer {layer} MLP" if kind == "MLP" else f"layer {layer} head {head}"
        if name in expected:
            assert sizes[part] > 0.02, name
        else:
            assert sizes[part] < 0.002, name
    assert expected <= set(CIRCUITS[circuit].components)


@pytest.fixture(scope="module")
def frames() -> dict[str, pd.DataFrame]:
    names = ("decoy_heads", "label_balance", "two_layers")
    return {name: effects(subject(name, episodes=24)) for name in names}
