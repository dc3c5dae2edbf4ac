"""A space is read as it is written, and refused where a setting cannot be so."""

import pytest

from icl_mlflow.training.settings import TrainSettings
from icl_mlflow.workflows.search.space import Range, shown_space, space_of
from icl_mlflow.workflows.settings import USUAL_SPACE

SETTINGS = TrainSettings.preset("smoke")


def test_ranges_and_choices_are_read_and_written() -> None:
    space = space_of("lr=1e-4:1e-2;batch_size=16,32;n_layers=1:3", SETTINGS)
    assert space == {
        "lr": Range(1e-4, 1e-2),
        "n_layers": Range(1, 3),
        "batch_size": (16, 32),
    }
    assert space_of(shown_space(space), SETTINGS) == space
    lr, layers = space["lr"], space["n_layers"]
    assert isinstance(lr, Range)
    assert isinstance(layers, Range)
    assert (lr.is_logarithmic, lr.is_whole) == (True, False)
    assert (layers.is_logarithmic, layers.is_whole) == (False, True)


def test_the_usual_space_suits_the_presets() -> None:
    for preset in ("paper", "efficient", "smoke"):
        assert space_of(USUAL_SPACE, TrainSettings.preset(preset))


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ("lr", "a grid is like"),
        ("lt=1e-4:1e-2", "unknown axis 'lt'"),
        ("lr=1e-2:1e-4", "the range of lr must rise, not 0.01:0.0001"),
        ("lr=1e-4:1e-3:1e-2", "a range is like lr=1e-4:1e-2; lr is none"),
        ("schedule=linear:one_cycle", "a range is like lr=1e-4:1e-2; schedule is none"),
        ("lr=0:1", "lr must be above 0"),
        ("lr=1e-4:1e-2;lr=1e-3", "lr is given twice"),
        ("n_heads=1:5", "n_heads=5 does not divide d_model"),
    ],
)
def test_what_cannot_be_is_told(space: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        space_of(space, SETTINGS)
