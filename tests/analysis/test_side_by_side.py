"""Variants stand side by side on common axes, and every seed is drawn."""

import pandas as pd
import pytest
from matplotlib.axes import Axes

from icl_mlflow.analysis import side_by_side as beside

MODELS = [f"A-{v}-seed{s}" for v in ("baseline", "no_labels") for s in range(3)]


def frame() -> pd.DataFrame:
    """Two variants, three seeds, four points; seed and variant move the height."""
    return pd.DataFrame(
        [
            {"model": model, "x": x, "y": x + index, "place": f"p{x}"}
            for index, model in enumerate(MODELS)
            for x in range(4)
        ]
    )


def test_a_panel_a_variant_with_the_same_limits_and_one_legend() -> None:
    def paint(axes: Axes, part: pd.DataFrame) -> None:
        beside.seed_lines(axes, part, "x", "y", label="model", color="C0")

    drawn = beside.panels(frame(), paint, xlabel="x", ylabel="y")
    first, second = drawn.axes
    assert first.get_title() == "baseline (3 seeds)"
    assert second.get_title() == "no_labels (3 seeds)"
    assert first.get_ylim() == second.get_ylim()
    assert len(first.lines) == 3 + 1  # every seed, and their median
    assert list(second.lines[-1].get_ydata()) == [4, 5, 6, 7]
    (legend,) = drawn.legends
    assert [text.get_text() for text in legend.texts] == [
        "model: median, and every seed"
    ]


def test_points_stand_above_their_places_with_their_mean() -> None:
    def paint(axes: Axes, part: pd.DataFrame) -> None:
        beside.seed_points(axes, part, "place", "y", label="head", color="C0")

    first, _ = beside.panels(frame(), paint, xlabel="", ylabel="").axes
    points, means = first.lines
    assert len(points.get_ydata()) == 4 * 3
    assert list(means.get_ydata()) == [1, 2, 3, 4]
    assert [tick.get_text() for tick in first.get_xticklabels()] == [
        "p0",
        "p1",
        "p2",
        "p3",
    ]


def test_marks_stand_on_the_lines_of_their_names_which_the_left_panel_says() -> None:
    names = ["p2", "p0", "p1", "p3"]

    def paint(axes: Axes, part: pd.DataFrame) -> None:
        beside.seed_marks(axes, part, names, "y", label="m", color="C0", aside=0.1)

    named = frame().rename(columns={"place": "name"})
    drawn = beside.panels(named, paint, xlabel="", ylabel="", names=names)
    first, second = drawn.axes
    seeds, means = first.lines
    assert sorted(seeds.get_xdata()[seeds.get_ydata() == 0.1]) == [2, 3, 4]  # p2
    assert dict(zip(means.get_ydata(), means.get_xdata(), strict=True)) == {
        0.1: 3,
        -0.9: 1,
        -1.9: 2,
        -2.9: 4,
    }
    drawn.draw_without_rendering()
    said = [
        [
            tick.label1.get_text()
            for tick in axes.yaxis.majorTicks
            if tick.label1.get_visible()
        ]
        for axes in (first, second)
    ]
    assert said == [names, []]


def test_variants_of_two_tasks_keep_their_tasks() -> None:
    models = pd.DataFrame({"model": ["A-baseline-seed0", "B-baseline-seed0"]})
    assert list(beside.by_variant(models)) == ["A-baseline", "B-baseline"]


@pytest.mark.parametrize("logarithmic", [False, True])
def test_dots_are_one_a_seed_in_every_panel(logarithmic: bool) -> None:
    numbers = {
        "risk": {"baseline": [0.01, 0.02], "no_labels": [0.3]},
        "accuracy": {"baseline": [0.78, 0.77], "no_labels": [0.5]},
    }
    drawn = beside.dots(
        numbers,
        lines={"risk": {"exact Bayes": 0.0}},
        logarithmic=["risk"] if logarithmic else [],
    )
    risk, accuracy = drawn.axes
    dots = [line for line in risk.lines if line.get_marker() == "o"]
    assert [list(line.get_xdata()) for line in dots] == [[0.01, 0.02], [0.3]]
    assert [tick.get_text() for tick in risk.get_yticklabels()] == [
        "baseline",
        "no_labels",
    ]
    assert len([line for line in accuracy.lines if line.get_marker() == "o"]) == 2
    assert [text.get_text() for text in drawn.legends[0].texts] == ["exact Bayes"]
