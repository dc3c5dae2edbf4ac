"""The contract of every circuit: its model computes the closed form, and says how."""

from dataclasses import replace

import pytest
import torch

from icl_mlflow.analysis.probing.places import streams
from icl_mlflow.compiled import CIRCUITS
from icl_mlflow.compiled.circuit import Circuit, compiled, components
from icl_mlflow.episodes import Episodes
from icl_mlflow.models import Architecture
from icl_mlflow.statistics import Ridge
from icl_mlflow.training.problem import problem


@pytest.fixture(params=CIRCUITS)
def circuit(request: pytest.FixtureRequest) -> Circuit:
    return CIRCUITS[request.param]


def episodes_of(circuit: Circuit, n_episodes: int = 200) -> Episodes:
    posed = problem(circuit.settings)
    return posed.task.sample(n_episodes, posed.n_context, seed=1, stream="test")


def error(circuit: Circuit, asked: Episodes, **choices: object) -> float:
    """The largest difference from the closed form, against the largest answer."""
    model = compiled(circuit, dtype=torch.float64, **choices)  # type: ignore[arg-type]
    found_B = model(asked.context_x_BND, asked.context_y_BN, asked.query_x_BD)
    expected_B = circuit.answer(asked)
    return float((found_B - expected_B).abs().max() / expected_B.abs().max())


@torch.no_grad()
def test_the_model_computes_its_closed_form(circuit: Circuit) -> None:
    asked = episodes_of(circuit)
    assert error(circuit, asked, offset=2.0**20, smallness=1 / 8) < 1e-7


@torch.no_grad()
def test_errors_of_the_norms_fall_with_the_square_of_the_offset(
    circuit: Circuit,
) -> None:
    asked = episodes_of(circuit)
    rough, fine = (
        error(circuit, asked, offset=c, smallness=1 / 8) for c in (1024, 2048)
    )
    assert rough / fine == pytest.approx(4, rel=0.1)


@torch.no_grad()
def test_in_float32_it_is_as_good_as_exact(circuit: Circuit) -> None:
    asked = episodes_of(circuit)
    found_B = compiled(circuit)(
        asked.context_x_BND, asked.context_y_BN, asked.query_x_BD
    )
    expected_B = circuit.answer(asked)
    assert (found_B - expected_B).abs().max() < 1e-3 * expected_B.abs().max()


@torch.no_grad()
def test_a_class_without_points_is_no_trouble(circuit: Circuit) -> None:
    drawn = episodes_of(circuit, 20)
    for label in (0, 1):
        asked = replace(drawn, context_y_BN=torch.full_like(drawn.context_y_BN, label))
        # The norms see sums of all coordinates that are far larger than answers.
        assert error(circuit, asked, offset=2.0**20, smallness=1 / 16) < 1e-5


def test_its_truth_speaks_of_parts_that_it_has(circuit: Circuit) -> None:
    truth, parts = circuit.truth, set(circuit.components)
    assert truth.matters <= parts
    assert truth.matters != parts, "a method could not be wrong"
    assert truth.writes == {sender for sender, to in truth.edges if to == "logit"}
    assert truth.matters == {sender for sender, _ in truth.edges}
    assert truth.when_unbalanced <= truth.matters
    for held in truth.holds:
        value = held.of(episodes_of(circuit, 3))
        assert value.ndim == 2
        assert value.dtype == torch.float64
        assert 0 < held.layer <= circuit.n_layers


def test_every_statistic_is_where_the_truth_says(circuit: Circuit) -> None:
    asked = episodes_of(circuit, 400)
    found = {
        (place.layer, place.role): Ridge(stream_BM.numpy())
        for place, stream_BM in streams(compiled(circuit), asked).items()
    }
    for held in circuit.truth.holds:
        target = held.of(asked).numpy()
        assert found[held.layer, held.role].fit(target).r2.mean > 0.999, held


def test_there_are_at_least_six_circuits() -> None:
    assert len(CIRCUITS) >= 6
    assert {CIRCUITS[name].task for name in CIRCUITS} == {"A", "B"}


def test_components_are_called_as_in_a_ledger() -> None:
    found = components(Architecture(dim=2, n_layers=2, n_heads=2, d_model=4))
    assert found == (
        "layer 1 head 1",
        "layer 1 head 2",
        "layer 1 MLP",
        "layer 2 head 1",
        "layer 2 head 2",
        "layer 2 MLP",
    )
