"""Figures of a diagram show the cells and the lines that its table has."""

import numpy as np

from icl_mlflow.analysis.diversity.figures import drawn, phase_diagram
from tests.analysis.diversity.planted import POOLS, STEPS, planted


def test_every_cell_and_every_seed_is_drawn() -> None:
    found = drawn(planted(), "planted")
    inside, outside, *_ = found["phase_diagram"].axes
    for axes in (inside, outside):
        assert axes.collections[0].get_array().size == len(POOLS) * len(STEPS)
    assert next(text.get_text() for text in inside.get_yticklabels()) == "4"
    share, risk, *_ = found["trajectories"].axes
    assert len(share.lines) == 3 * len(POOLS) + 1
    assert len(risk.lines) == 3 * len(POOLS)


def test_what_is_not_told_apart_has_no_colour() -> None:
    table = planted()
    table.loc[table["pool"] == POOLS[-1], "share"] = np.nan
    cells = phase_diagram(table, "").axes[0].collections[0].get_array()
    assert np.ma.count_masked(cells) == len(STEPS)
