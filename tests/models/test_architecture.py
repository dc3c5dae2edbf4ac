"""Shapes that cannot be built are refused with those that can."""

from dataclasses import replace

import pytest

from icl_mlflow.models import EMBEDDINGS, Architecture
from tests.models.small import SMALL


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    message = "n_heads=5 does not divide d_model=24; choose one of: 1, 2, 3, 4, 6, 8"
    with pytest.raises(ValueError, match=message):
        replace(SMALL, n_heads=5)


def test_the_heads_share_the_width() -> None:
    assert SMALL.head_width == 8
    assert Architecture().head_width == 32


def test_every_embedding_can_be_chosen() -> None:
    for name in EMBEDDINGS:
        assert Architecture(embedding=name).embedding == name
    message = "unknown embedding 'stacked'; choose one of: summed, interleaved, x_only"
    with pytest.raises(ValueError, match=message):
        Architecture(embedding="stacked")


def test_a_model_without_blocks_is_refused() -> None:
    with pytest.raises(ValueError, match="n_layers must be at least 1, not 0"):
        Architecture(n_layers=0)
