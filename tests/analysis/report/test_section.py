"""One question is one section, whether one variant was asked or several."""

import io
from collections.abc import Callable
from dataclasses import replace

import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from icl_mlflow.analysis import style
from icl_mlflow.analysis.base import Analysis
from icl_mlflow.analysis.findings import Conclusion
from icl_mlflow.analysis.report.answer import Answer, Measurement, answers
from icl_mlflow.analysis.report.section import png, sections_of


def drawn(frame: pd.DataFrame) -> Figure:
    figure, (axes,) = style.figure()
    axes.plot(frame["size"])
    return figure


def asked(beside: Callable[[pd.DataFrame], Figure] | None = None) -> list[Answer]:
    """The answers of two variants with two seeds each to one planted question."""
    analysis = Analysis(
        question="How large is it?",
        measure=lambda _subject: pd.DataFrame(),
        summarise=lambda frame: {"size": float(frame["size"].iloc[0]), "other": 0.0},
        draw=drawn,
        verdict=lambda found: Conclusion(True, f"it is {found['size']:.1f}"),
        beside=beside,
    )
    measured = [
        Measurement(
            model=f"A-{variant}-seed{seed}",
            group=variant,
            frame=(frame := pd.DataFrame({"size": [size + seed]})),
            numbers=analysis.summarise(frame),
        )
        for variant, size in (("baseline", 2.0), ("no_position", 6.0))
        for seed in (0, 1)
    ]
    return answers("planted", analysis, measured)


def test_several_variants_share_a_section_with_a_verdict_and_a_number_each() -> None:
    (one,) = sections_of(asked())
    assert one.verdicts == {
        "baseline": "Yes: it is 2.5.",
        "no_position": "Yes: it is 6.5.",
    }
    assert one.headline == "size"
    assert [interval.mean for interval in one.numbers.values()] == [2.5, 6.5]
    assert "size by variant" in one.interval_note
    assert one.figure_file == "planted"
    assert len(one.table) == 4
    assert "baseline: Yes: it is 2.5. no_position:" in one.spoken


def test_an_analysis_may_draw_its_own_figure_of_all_variants() -> None:
    seen: list[pd.DataFrame] = []

    def beside(frame: pd.DataFrame) -> Figure:
        seen.append(frame)
        return drawn(frame)

    (one,) = sections_of(asked(beside))
    assert list(seen[0]["model"]) == list(one.table["model"])
    assert one.png == png(drawn(seen[0]))


def test_the_only_variant_of_a_suite_that_could_be_asked_is_named() -> None:
    (one,) = sections_of(asked()[:1])
    assert list(one.verdicts) == ["baseline"]
    assert one.figure_file == "planted"


def test_one_variant_has_the_figure_of_its_question() -> None:
    first = replace(asked()[0], group="")
    (one,) = sections_of([first])
    assert one.png == png(first.figure)
    assert one.numbers == first.numbers


def test_a_figure_of_many_panels_has_no_more_pixels_than_can_be_read() -> None:
    small, _ = style.figure(1, 2)
    large, _ = style.figure(8, 4)
    for figure, least in ((small, 1_400), (large, 1_000)):
        with Image.open(io.BytesIO(png(figure))) as image:
            assert image.width >= least
            assert image.width * image.height < 2.5e6
