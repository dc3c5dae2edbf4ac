"""A grid's figure has every number in its place, and its rows are named by cell."""

import pandas as pd
import pytest

from icl_mlflow.analysis.ablation.effects import CellMembers, measure_cells
from icl_mlflow.analysis.ablation.grid import headline, heat_maps, labels, sentences
from icl_mlflow.analysis.ablation.verdict import with_verdicts
from tests.analysis.ablation.planted import FULL, member

#: Excess risk of each cell of dim by tau by lr.
RISKS = {
    (dim, tau, lr): dim / 100 + tau / 1000 + lr
    for dim in (2, 4)
    for tau in (0.0, 3.0)
    for lr in (0.1, 0.2)
}


def table(
    risks: dict[tuple[int, float, float], float],
    variants: tuple[str, ...],
    failed: int | None = 0,
) -> pd.DataFrame:
    cells = [
        CellMembers(
            where={
                "cell": f"dim={dim} tau={tau:g} lr={lr:g}",
                "dim": dim,
                "tau": tau,
                "lr": lr,
            },
            members=[
                member(name, seed, risk + 0.05 * index, took_off=seed != failed)
                for index, name in enumerate(variants)
                for seed in range(3)
            ],
            ceilings=dict.fromkeys(variants, FULL),
        )
        for (dim, tau, lr), risk in risks.items()
    ]
    return with_verdicts(measure_cells(cells, n_resamples=2))


def test_every_number_stands_in_its_cell() -> None:
    axes = {"dim": (2, 4), "tau": (0.0, 3.0), "lr": (0.1, 0.2)}
    figure = heat_maps(table(RISKS, ("baseline",)), axes, "title")
    panels = [axes for axes in figure.axes if axes.get_title()]
    assert len(panels) == 2 * 3  # a row for each value of the third axis
    for lr, panel in zip((0.1, 0.2), panels[2::3], strict=True):
        assert panel.get_title() == f"excess risk over exact Bayes (nats)\nlr={lr}"
        texts = [text.get_text() for text in panel.texts]
        expected = [RISKS[dim, tau, lr] for dim in (2, 4) for tau in (0.0, 3.0)]
        assert texts == [f"{risk:.4f}\n2/3 took off" for risk in expected]
    assert {text.get_text() for text in panels[1].texts} == {"0.5000"}


def test_a_cell_without_a_run_stays_empty_and_one_axis_is_a_row() -> None:
    some = {key: risk for key, risk in RISKS.items() if key[1:] == (0.0, 0.1)}
    figure = heat_maps(table(some, ("baseline",)), {"dim": (2, 3, 4)}, "title")
    _, _, risk = (axes for axes in figure.axes if axes.get_title())
    assert len(risk.texts) == 2
    assert [text.get_text() for text in risk.get_xticklabels()] == ["2", "3", "4"]


def test_rows_are_called_by_cell_and_variant_and_say_what_bayes_reaches() -> None:
    some = {key: risk for key, risk in RISKS.items() if key[1:] == (0.0, 0.1)}
    found = table(some, ("baseline", "worse"))
    assert labels(found) == [
        *("dim=2 tau=0 lr=0.1", "dim=2 tau=0 lr=0.1, worse"),
        *("dim=4 tau=0 lr=0.1", "dim=4 tau=0 lr=0.1, worse"),
    ]
    told = sentences(found)["dim=4 tau=0 lr=0.1"]
    assert "exact Bayes 0.5000; reference: excess risk 0.1400 nats" in told
    assert headline(found) == (
        "Over the exact Bayes of each of 2 cells: from 0.1200 nats at "
        "dim=2 tau=0 lr=0.1 to 0.1400 nats at dim=4 tau=0 lr=0.1"
    )


def test_each_cell_has_a_baseline_of_its_own_and_all_are_decided_together() -> None:
    some = {key: risk for key, risk in RISKS.items() if key[1:] == (0.0, 0.1)}
    found = table(some, ("baseline", "worse"), failed=None)
    worse = found[found["variant"] == "worse"]
    assert list(worse["difference"]) == pytest.approx([0.05, 0.05], abs=1e-9)
    assert list(worse["n_difference"]) == [2, 2]  # Holm counts both
