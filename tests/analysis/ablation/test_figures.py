"""Figures hold what they claim: every seed, every curve, every ceiling."""

from icl_mlflow.analysis.ablation.effects import measure
from icl_mlflow.analysis.ablation.figures import forest, one_variant, small_multiples
from icl_mlflow.analysis.ablation.history import history
from icl_mlflow.analysis.ablation.verdict import with_verdicts
from icl_mlflow.estimators.ceilings import Ceiling
from tests.analysis.ablation.planted import FULL, both, member, pair


def test_figures_hold_every_curve_and_ceiling() -> None:
    members = [member("easy", s, 0.1) for s in range(3)]
    frame = history(members)
    frame["val/accuracy"] = [0.3, *[0.97] * 7] * 3
    easy = both(Ceiling(accuracy=0.99, loss=0.02, kind="exact", why="all is seen"))
    for figure in (
        small_multiples(frame, {"easy": easy}, "title"),
        one_variant(frame, easy, "title"),
    ):
        low, high = figure.axes[0].get_ylim()
        assert low < 0.3
        assert high > 0.99
    for axes in (one_variant(frame, easy, "title").axes[0],):
        training, validation = axes.collections
        ends = validation.get_paths()[0].vertices[:, 1]
        assert ends.min() >= 0.3 - 1e-9
        assert ends.max() <= 0.97 + 1e-9
        assert set(training.get_paths()[0].vertices[:, 1]) == {0.5, 0.76}
        thin = [line for line in axes.lines if line.get_linewidth() < 1]
        assert len(thin) == 6  # every seed, training and validation


def test_the_forest_shows_every_seed() -> None:
    table = with_verdicts(
        measure(pair("worse", [0.05, 0.06, 0.04]), {"baseline": FULL, "worse": FULL})
    )
    (axes,) = forest(table, "title").axes
    drawn = {round(float(x), 4) for line in axes.lines for x in line.get_xdata()}
    assert {0.05, 0.06, 0.04} <= drawn
    assert "dots: seeds" in axes.get_xlabel()
