"""Masks hold exactly the projections that they name, in every block."""

import pytest
import torch

from icl_mlflow.models import Architecture, Transformer
from icl_mlflow.variants import freeze
from icl_mlflow.variants.base import Freeze

WIDTH = 4
BLOCKS = ("transformer.layers.0.self_attn.", "transformer.layers.1.self_attn.")


def model(embedding: str = "summed") -> Transformer:
    return Transformer(
        Architecture(
            dim=2,
            positions=9,
            d_model=WIDTH,
            n_heads=2,
            n_layers=2,
            embedding=embedding,
        )
    )


def held(mask: Freeze, embedding: str = "summed") -> dict[str, torch.Tensor]:
    parameters = model(embedding).named_parameters()
    masks = {name: mask(name, value) for name, value in parameters}
    return {name: mask for name, mask in masks.items() if mask is not None}


def test_frozen_attention_holds_all_four_projections_and_their_biases() -> None:
    masks = held(freeze.attention)
    leaves = ("in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias")
    assert masks.keys() == {block + leaf for block in BLOCKS for leaf in leaves}
    assert all(mask.all() for mask in masks.values())


def test_frozen_query_key_leaves_the_values_free() -> None:
    masks = held(freeze.query_key)
    leaves = ("in_proj_weight", "in_proj_bias")
    assert masks.keys() == {block + leaf for block in BLOCKS for leaf in leaves}
    for mask in masks.values():
        assert mask[: 2 * WIDTH].all()
        assert not mask[2 * WIDTH :].any()


@pytest.mark.parametrize(
    ("embedding", "table"),
    [("summed", "pos_emb"), ("x_only", "pos_emb"), ("interleaved", "pos_embed")],
)
def test_the_position_table_is_held_under_each_of_its_names(
    embedding: str, table: str
) -> None:
    masks = held(freeze.position, embedding)
    assert masks.keys() == {table}
    assert masks[table].all()


@pytest.mark.parametrize("embedding", ["summed", "x_only", "interleaved"])
def test_zero_position_sets_the_table_alone(embedding: str) -> None:
    for name, value in model(embedding).named_parameters():
        started = freeze.zero_position(name, value)
        if name.startswith("pos_emb"):
            assert not started.any()
        else:
            assert started is value
