"""Episodes that make no sense are refused with what is right, never answered."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from icl_mlflow.models import Architecture, Transformer

Change = Callable[[dict[str, Tensor]], object]


@pytest.fixture(params=["summed", "interleaved", "x_only"])
def model(request: pytest.FixtureRequest) -> Transformer:
    return Transformer(
        Architecture(dim=3, positions=9, d_model=8, n_heads=2, embedding=request.param)
    )


@pytest.fixture
def episode() -> dict[str, Tensor]:
    """Five episodes of four points."""
    rng = torch.Generator().manual_seed(0)
    return {
        "context_x": torch.randn(5, 4, 3, generator=rng),
        "context_y": torch.randint(2, (5, 4), generator=rng),
        "query_x": torch.randn(5, 3, generator=rng),
    }


def one(name: str, value: float, dtype: torch.dtype | None = None) -> Change:
    """Put a value somewhere in the middle."""

    def change(episode: dict[str, Tensor]) -> None:
        wanted = dtype or episode[name].dtype
        episode[name] = episode[name].to(wanted).clone()
        episode[name].view(-1)[7] = value

    return change


def shaped(name: str, *shape: int) -> Change:
    return lambda episode: episode.update({name: torch.ones(*shape)})


LABELS = r"context_y must hold 0 or 1 for each point, not "
FINITE = r"must hold finite numbers of at most 3\.4e\+38, not "

REFUSED: dict[str, tuple[Change, str]] = {
    "minus one": (one("context_y", -1), LABELS + "-1"),
    "two": (one("context_y", 2), LABELS + "2"),
    "a share": (one("context_y", 0.7, torch.float32), LABELS + r"0\.7"),
    "no label": (one("context_y", torch.nan, torch.float64), LABELS + "nan"),
    "nan": (one("context_x", torch.nan), f"context_x {FINITE}nan"),
    "infinity": (one("query_x", -torch.inf), f"query_x {FINITE}-inf"),
    "1e39": (one("query_x", 1e39, torch.float64), f"query_x {FINITE}1e\\+39"),
    "wide points": (
        shaped("context_x", 5, 4, 2),
        r"context_x must have the shape \(episodes, points, 3\), not \(5, 4, 2\)",
    ),
    "wide queries": (
        shaped("query_x", 5, 4),
        r"query_x must have the shape \(episodes, 3\), not \(5, 4\)",
    ),
    "a single episode": (
        shaped("context_x", 4, 3),
        r"context_x must have the shape \(episodes, points, 3\), not \(4, 3\)",
    ),
    "few labels": (
        shaped("context_y", 5, 3),
        "5 episodes of 4 points, but context_y has labels for 5 episodes of 3 points",
    ),
    "one row of labels": (shaped("context_y", 1, 4), "give one label for each point"),
    "few queries": (shaped("query_x", 1, 3), "5 episodes, but query_x has 1 queries"),
    "complex": (
        lambda e: e.update(query_x=e["query_x"] + 0j),
        "query_x must hold real numbers, not torch.complex64",
    ),
    "too long": (
        lambda e: e.update(
            context_x=torch.ones(5, 9, 3), context_y=torch.ones(5, 9).long()
        ),
        "give fewer context points",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_makes_no_sense_is_refused_by_both_ways_through(
    model: Transformer, episode: dict[str, Tensor], name: str
) -> None:
    change, said = REFUSED[name]
    change(episode)
    for road in (model, model.trace):
        with pytest.raises(ValueError, match=said) as refused:
            road(*episode.values())
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("labels", [torch.bool, torch.uint8, torch.float64])
@pytest.mark.parametrize("points", [torch.float64, torch.float32])
def test_other_types_of_number_are_converted(
    model: Transformer, episode: dict[str, Tensor], labels: Any, points: Any
) -> None:
    expected = model(*episode.values())
    found = model(
        episode["context_x"].to(points),
        episode["context_y"].to(labels),
        episode["query_x"].to(points),
    )
    assert torch.equal(found, expected)
