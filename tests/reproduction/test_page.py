"""The page counts what came out again, and says how it is to be read."""

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


def test_every_figure_has_its_caption_before_anything_has_finished_too() -> None:
    judged = rows(found())
    own = page.drawn(found(), judged, "title")
    shown = page.sections(own, judged, {})
    assert [one.anchor for one in shown] == [page.FOREST, page.CURVES]
    assert all(
        one.caption.endswith("No model has finished. 5,000 validation episodes.")
        for one in shown
    )


def test_the_notes_tell_the_rule_the_leak_and_the_seeds() -> None:
    told = " ".join(page.notes(found()))
    for words in (
        "within 0.01 of our mean",
        "which is a leak",
        "Seeds asked for: 0, 1",
    ):
        assert words in told
