"""Axes are read as they are written, checked value by value, and name their cells."""

import pytest

from icl_mlflow.suite.axes import (
    Grid,
    axes_of,
    cell_of,
    cells_of,
    in_cell,
    member_name,
    shown_axes,
    shown_cell,
)
from icl_mlflow.training.settings import TrainSettings

SETTINGS = TrainSettings.preset("smoke")


def test_text_and_mappings_say_the_same_and_are_written_down_exactly() -> None:
    axes = axes_of("dim=4,8;lr=1e-3,0.0001234567", SETTINGS)
    assert axes == {"dim": (4, 8), "lr": (0.001, 0.0001234567)}
    assert axes_of({"dim": [4, 8], "lr": (1e-3, 0.0001234567)}, SETTINGS) == axes
    assert axes_of(shown_axes(axes), SETTINGS) == axes


def test_parameters_of_the_task_and_words_are_axes_too() -> None:
    assert axes_of("tau=0,3; separation=2 ;schedule=linear,one_cycle", SETTINGS) == {
        "tau": (0.0, 3.0),
        "separation": (2.0,),
        "schedule": ("linear", "one_cycle"),
    }


def test_cells_are_all_combinations_and_lie_in_the_settings() -> None:
    axes = axes_of("dim=2,4;tau=0,3", SETTINGS)
    cells = cells_of(axes)
    assert [shown_cell(cell) for cell in cells] == [
        "dim=2 tau=0",
        "dim=2 tau=3",
        "dim=4 tau=0",
        "dim=4 tau=3",
    ]
    member = in_cell(SETTINGS, cells[1])
    assert (member.dim, member.task_parameters["tau"]) == (2, 3.0)
    assert cell_of(member, axes) == cells[1]
    assert member_name(member, tuple(axes)) == "A-baseline-dim2-tau3-seed0"
    assert member_name(member) == member.run_name


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ("dim", "a grid is like dim=4,8,16, not 'dim'"),
        ("dim=", "a grid is like dim=4,8,16, not 'dim='"),
        ("dim=4;dim=8", "dim is an axis twice"),
        ("tua=3", "unknown axis 'tua'; did you mean tau"),
        ("sigma_max=3", "unknown axis 'sigma_max'"),
        ("seed=0,1", "unknown axis 'seed'"),
        ("threads=1,2", "unknown axis 'threads'"),
        ("dim=4,x", "dim must be a whole number, not 'x'"),
        ("dim=0", "dim must be at least 1"),
        ("tau=-1", "tau must be at least 0"),
        ("schedule=liner", "unknown schedule 'liner'; did you mean linear"),
        ("dim=" + ",".join(map(str, range(1, 1002))), "more than 1,000 cells"),
        ({"dim": []}, "axis dim has no value"),
    ],
)
def test_what_is_no_axis_or_no_value_is_told_with_what_is(
    grid: Grid, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        axes_of(grid, SETTINGS)


def test_one_number_in_place_of_several_is_told() -> None:
    with pytest.raises(TypeError, match="axis dim takes several values"):
        axes_of({"dim": 4}, SETTINGS)  # type: ignore[dict-item]


def test_a_cell_that_contradicts_itself_is_named() -> None:
    with pytest.raises(ValueError, match="cell batch_size=4096: train_episodes=1280"):
        in_cell(SETTINGS, {"batch_size": 4096})


def test_wrappers_are_axes_too() -> None:
    axes = axes_of("pool=0,8;prior=0.2", TrainSettings())
    assert axes == {"pool": (0, 8), "prior": (0.2,)}
    cells = [in_cell(TrainSettings(), cell) for cell in cells_of(axes)]
    assert [cell_of(cell, axes) for cell in cells] == cells_of(axes)
    assert cells[0] == TrainSettings(prior=0.2)
