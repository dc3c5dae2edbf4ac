"""A row holds every value once, where its views find it again."""

import pytest
import torch
from torch import Generator, Tensor

from icl_mlflow.training.flat_parameters import Packing

SHAPES = {"odd": (3,), "matrix": (4, 6), "scalar": (), "cube": (2, 2, 2)}


def values(seed: int) -> dict[str, Tensor]:
    rng = Generator().manual_seed(seed)
    return {name: torch.randn(shape, generator=rng) for name, shape in SHAPES.items()}


def test_views_of_a_row_are_what_went_in() -> None:
    packing = Packing(values(0))
    row = packing.row(values(1))
    assert row.shape == (packing.width,)
    assert set(packing.names) == set(SHAPES)
    found = packing.views(row)
    for name, value in values(1).items():
        assert torch.equal(found[name], value)


def test_what_a_view_is_told_is_in_the_row_and_nowhere_else() -> None:
    packing = Packing(values(0))
    row = packing.row(values(0))
    before = row.clone()
    packing.views(row)["matrix"].fill_(7.0)
    assert int((row != before).sum()) == 4 * 6
    for name, value in packing.views(row).items():
        expected = torch.full((4, 6), 7.0) if name == "matrix" else values(0)[name]
        assert torch.equal(value, expected)


def test_rows_of_several_models_are_one_matrix() -> None:
    packing = Packing(values(0))
    rows = torch.stack([packing.row(values(seed)) for seed in (1, 2)])
    for name, both in packing.views(rows).items():
        assert torch.equal(both, torch.stack([values(1)[name], values(2)[name]]))


def test_large_values_are_aligned_and_the_padding_is_zero() -> None:
    packing = Packing(values(0))
    row = packing.row(values(0))
    views = packing.views(row)
    for name in ("matrix", "cube"):
        assert views[name].storage_offset() % 8 == 0
    used = sum(value.numel() for value in values(0).values())
    assert packing.width % 8 == 0
    assert not row[used:].any()


@pytest.mark.parametrize("name", SHAPES)
def test_a_mask_marks_what_it_is_told(name: str) -> None:
    packing = Packing(values(0))
    marked: dict[str, Tensor | None] = dict.fromkeys(SHAPES)
    marked[name] = torch.ones(SHAPES[name], dtype=torch.bool)
    mask = packing.mask(marked)
    assert int(mask.sum()) == marked[name].numel()
    assert packing.views(mask)[name].all()
