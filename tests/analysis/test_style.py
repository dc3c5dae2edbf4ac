"""Figures have as many panels as asked for, and axes with numbers that people read."""

import io
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from icl_mlflow.analysis import style

#: What sets the size of text, or draws what would have a size of its own.
_OWN_TEXT = r"fontsize|labelsize|set_title|suptitle|(?<!style)\.legend\("


def test_colours_are_told_apart_in_grey_too() -> None:
    """Luminances of the lines that share a panel differ by a tenth or more."""

    def luminance(colour: str) -> float:
        red, green, blue = to_rgb(colour)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    shared = [luminance(c) for c in (style.MODEL, style.TRAINING)]
    assert abs(shared[0] - shared[1]) > 0.1
    assert len(set(style.CYCLE)) == len(style.CYCLE) == 7


@pytest.mark.parametrize(
    ("n_panels", "width", "height"), [(1, 2, 3), (3, 6, 3), (4, 6, 6), (5, 6, 6)]
)
def test_panels_fill_rows_of_three_and_none_is_left_over(
    n_panels: int, width: float, height: float
) -> None:
    drawn, panels = style.small_multiples(n_panels, panel=(2.0, 3.0))
    assert len(panels) == len(drawn.axes) == n_panels
    assert tuple(drawn.get_size_inches()) == (width, height)


@pytest.mark.parametrize("ending", ["pdf", "svg"])
def test_the_same_figure_is_the_same_file(tmp_path: Path, ending: str) -> None:
    files = [tmp_path / f"{name}.{ending}" for name in ("one", "other")]
    for file in files:
        drawn, (axes,) = style.figure()
        axes.plot([1, 2], [3, 4], label="a")
        axes.legend()
        style.save(drawn, file)
    one, other = (file.read_bytes() for file in files)
    assert one == other


def test_text_has_the_sizes_of_the_style_and_no_figure_has_its_own() -> None:
    package = Path(style.__file__).parents[1]
    own = [
        file.relative_to(package).as_posix()
        for file in package.rglob("*.py")
        if re.search(_OWN_TEXT, file.read_text())
    ]
    assert own == ["analysis/style.py"]


def labels(*, near_zero: float | None) -> list[str]:
    drawn, (axes,) = style.figure()
    axes.plot([0.02, 0.1, 5], [1, 2, 3])
    style.logarithmic(axes, "x", near_zero)
    axes.set_xlim(0 if near_zero else 0.01, 10)
    drawn.savefig(io.BytesIO(), format="png", dpi=30)
    return [label.get_text() for label in axes.get_xticklabels()]


def test_a_logarithmic_axis_has_no_powers_of_ten() -> None:
    assert {"0.02", "0.1", "5"} <= set(labels(near_zero=None))


def test_zero_has_a_place_where_the_axis_is_linear_near_it() -> None:
    found = labels(near_zero=0.01)
    assert "0" in found
    assert not any("^" in text or "e" in text for text in found)


@pytest.mark.parametrize("across", [False, True])
def test_points_stand_at_their_places_with_their_intervals(across: bool) -> None:
    frame = pd.DataFrame(
        {"cost": [0.2, 0.5], "cost_low": [0.1, 0.6], "cost_high": [0.4, 0.9]}
    )
    _, (axes,) = style.figure()
    style.interval_points(axes, [3, 7], frame, "cost", color="C0", across=across)
    points, *_ = axes.lines
    drawn = [list(points.get_xdata()), list(points.get_ydata())]
    assert drawn == ([[0.2, 0.5], [3, 7]] if across else [[3, 7], [0.2, 0.5]])
    (bars,) = axes.collections
    along = [segment[:, 0 if across else 1] for segment in bars.get_segments()]
    # A value outside its interval has no bar at the side that it lies beyond.
    np.testing.assert_allclose(along, [[0.1, 0.4], [0.5, 0.9]])
