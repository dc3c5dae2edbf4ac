"""The page counts what came out again, and says how it is to be read."""

from icl_mlflow.analysis import style
from icl_mlflow.analysis.caption import CaptionedFigure
from icl_mlflow.reproduction import page
from icl_mlflow.reproduction.table import rows
from tests.reproduction.planted import CURVE, found, member


def test_experiments_are_counted_once_each() -> None:
    assert page.counted(rows(found())) == "of 15 experiments 0 reproduced, 15 missing"
    near = [
        member("no_position", seed, [*CURVE[:3], 0.78 + seed / 200]) for seed in (0, 1)
    ]
    judged = rows(found(no_position=near))
    assert page.counted(judged) == "of 15 experiments 1 reproduced, 14 missing"


def test_every_figure_has_its_caption() -> None:
    own = {
        name: CaptionedFigure(style.figure()[0], f"What {name} shows.")
        for name in (page.FOREST, page.CURVES)
    }
    shown = page.sections(own, rows(found()), {})
    assert [one.caption for one in shown] == [one.caption for one in own.values()]


def test_the_notes_tell_the_rule_the_leak_and_the_seeds() -> None:
    told = " ".join(page.notes(found()))
    for words in (
        "within 0.01 of our mean",
        "which is a leak",
        "Seeds asked for: 0, 1",
    ):
        assert words in told
