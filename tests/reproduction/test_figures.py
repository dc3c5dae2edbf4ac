"""The figures show what there is, and say what is missing."""

from icl_mlflow.reproduction import page
from icl_mlflow.reproduction.table import rows
from tests.reproduction.planted import CURVE, SHIFTED, found, member


def test_the_figures_are_drawn_of_what_there_is() -> None:
    part = found(baseline=[member("baseline", s, CURVE, **SHIFTED) for s in (0, 1)])
    judged = rows(part)
    own = page.drawn(part, judged, "title")
    (forest,) = own[page.FOREST].figure.axes
    assert own[page.FOREST].caption == (
        "The paper's intervals, our seeds and exact Bayes, a line an experiment. "
        "2 seeds; bands: range of the seeds. 5,000 validation episodes."
    )
    labels = [text.get_text() for text in forest.get_yticklabels()]
    assert len(labels) == 17
    assert "task_B_regular  (missing)" in labels
    curves = {axes.get_title(): axes for axes in own[page.CURVES].figure.axes}
    assert len(curves) == 15
    assert [text.get_text() for text in curves["no_labels"].texts] == ["missing"]
    drawn = {line.get_label() for line in curves["task_A_OOD"].lines}
    assert {
        "training: median of seeds",
        "validation: median of seeds",
        "shifted validation: median of seeds",
    } <= drawn
