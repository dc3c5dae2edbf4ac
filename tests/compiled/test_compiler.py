"""Registers keep what is written into them, through both norms of every block."""

import math

import pytest
import torch

from icl_mlflow.compiled.compiler import Compiler
from icl_mlflow.models import Architecture, Transformer
from tests.models.small import draw, inputs

#: Room for a register, the coordinates that nobody reads, and the three of the norms.
ARCHITECTURE = Architecture(dim=4, positions=13, d_model=24, n_layers=2, n_heads=2)


def compiler(**choices: float) -> Compiler:
    found = Compiler(ARCHITECTURE, **choices)
    for name, width in {"x": 4, "sign": 1, "is_query": 1, "out": 1}.items():
        found.register(name, width)
    found.points(context="x", query="x")
    found.signs("sign")
    found.mark_query("is_query")
    found.answer(found.read("out"))
    return found


def model(made: Compiler) -> Transformer:
    found = Transformer(ARCHITECTURE).double()
    found.load_state_dict(made.weights())
    return found


@torch.no_grad()
def test_the_stream_is_the_same_after_all_blocks() -> None:
    asked = inputs(draw(), torch.float64)
    start, *later = model(compiler(offset=2.0**20)).trace(*asked).residual_BSM
    registers = slice(0, 7)
    for stream in later:
        found, expected = stream[..., registers], start[..., registers]
        assert torch.allclose(found, expected, rtol=1e-9, atol=1e-9)
    # Idle parts do write: into what has no register.
    assert (later[-1] - start)[..., 7:-3].abs().mean() > 0.1
    assert torch.allclose(later[-1].sum(-1), torch.zeros(()).double(), atol=1e-6)


@torch.no_grad()
def test_labels_are_signs_and_the_query_has_none() -> None:
    context_x_BND, y_BN, query_x_BD = inputs(draw(), torch.float64)
    stream = model(compiler()).trace(context_x_BND, y_BN, query_x_BD).residual_BSM[0]
    assert torch.equal(stream[:, :-1, 4], 2.0 * y_BN - 1)
    assert torch.equal(stream[:, -1, 4], torch.zeros(len(y_BN)).double())
    assert torch.equal(stream[0, :, 5], torch.tensor([0.0] * 12 + [1.0]).double())


@torch.no_grad()
@pytest.mark.parametrize("smallness", [1.0, 0.25])
def test_products_are_as_exact_as_is_said(smallness: float) -> None:
    made = compiler(offset=2.0**20, smallness=smallness)
    first = made.read("x")[:1]
    made.multiply(2, first, made.constant(0.5) + first, made.write("out"))
    asked = inputs(draw(), torch.float64)
    x_B = asked[2][:, 0]
    error_B = (model(made)(*asked) - x_B * (x_B + 0.5)).abs()
    largest = (2 * x_B + 0.5).abs().max() * 0.05 * smallness
    # (h^2 + ...) / 4, of the sum and of the difference, each off by h^4 / 10
    assert error_B.max() < 2 * float(largest) ** 4 / 10 * float(x_B.square().max())


@torch.no_grad()
def test_a_head_takes_a_mean_over_where_it_looks() -> None:
    made = compiler(offset=2.0**20)
    made.head(1, 2, value=made.read("x")[1:2], output=made.write("out"))
    asked = inputs(draw(), torch.float64)
    everywhere_B = torch.cat([asked[0], asked[2][:, None]], dim=1)[..., 1].mean(1)
    assert torch.allclose(model(made)(*asked), everywhere_B, atol=1e-8)
    looks = {"query": made.constant(math.log(3)), "key": made.read("is_query")}
    made.head(1, 2, **looks, value=made.read("x")[1:2], output=made.write("out"))
    weighted_B = (asked[0][..., 1].sum(1) + 3 * asked[2][:, 1]) / 15
    assert torch.allclose(model(made)(*asked), weighted_B, atol=1e-8)


def test_what_does_not_fit_is_refused() -> None:
    made = compiler()
    with pytest.raises(ValueError, match="no room for register more"):
        made.register("more", 14)
    everything = torch.eye(24, dtype=torch.float64)
    with pytest.raises(ValueError, match="a head of width 12 cannot hold it"):
        made.head(1, 1, value=everything, output=everything)
    with pytest.raises(ValueError, match="layer 1 needs more than 96 hidden units"):
        made.multiply(1, everything, everything, everything)
