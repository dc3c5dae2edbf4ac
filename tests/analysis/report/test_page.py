"""The report stands alone, says everything, and cannot be broken by a name."""

import base64
import html
import json
import math
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure

from icl_mlflow.analysis import style
from icl_mlflow.analysis.base import Topic
from icl_mlflow.analysis.report.answer import Answer
from icl_mlflow.analysis.report.page import (
    Command,
    Refusal,
    Report,
    Results,
    Source,
    render,
)
from icl_mlflow.analysis.report.section import section
from icl_mlflow.statistics import Interval

NOT_KNOWN = Interval(0.5, math.nan, math.nan, 1)
HOSTILE = '<script>alert("x")</script>'
VOID = {"meta", "img", "br", "link", "hr", "input"}


class Page(HTMLParser):
    """What a browser would see: elements, text, and whether tags are balanced."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def answer(name: str = "planted", n_numbers: int = 2, rows: int = 3) -> Answer:
    numbers = {
        f"size_{i}": Interval(0.5 + i, 0.25 + i, 0.75, 3) for i in range(n_numbers)
    }
    return Answer(
        analysis=name,
        group="",
        question="Is it large?",
        verdict=f"It is large & {HOSTILE}.",
        numbers=numbers,
        frame=pd.DataFrame({"model": [HOSTILE] * rows, "size": [-0.123456] * rows}),
        headline="size_0",
        draw=_drawn,
    )


def _drawn(_frame: pd.DataFrame) -> Figure:
    """A line."""
    drawn, (axes,) = style.figure()
    axes.plot([0, 1], [0, 1])
    return drawn


def report(*found: Answer) -> Report:
    return Report(
        kind="icl-mlflow analysis",
        title=HOSTILE,
        lead="1 model.",
        episodes="1,000 episodes.",
        models=pd.DataFrame({"model": ["A-baseline-seed0"], "seed": [0]}),
        sections=[section(one) for one in found],
        refusals=[
            Refusal(analysis="ov_alignment", model="", reason="it has no labels")
        ],
        commands=[Command("In a shell", "icl-mlflow analyze --run_id 'a b'")],
        settings={"episodes": 5000, "analyses": HOSTILE},
        sources=[Source(what="trained in run", identity="4f2a", link="http://x/#/y")],
        made_with={"icl-mlflow": "0.1.0"},
    )


def test_questions_come_by_topic_each_opening_with_its_verdicts() -> None:
    where = replace(answer("where"), topic=Topic.PLACE, verdict="No: it is not here.")
    right = [
        replace(answer(name), topic=Topic.RIGHT, verdict=f"{told}: as {name} says.")
        for name, told in (("exact", "Yes"), ("even", "Cannot be told"))
    ]
    bare = replace(
        answer("bare"), topic=Topic.RIGHT, numbers={"size_0": NOT_KNOWN},
        verdict="Yes: it is.",
    )  # fmt: skip
    made = replace(report(where, *right, bare), by_topic=True, left_out=["deep"])
    text = render(made)
    page = Page(text)
    assert page.open == []
    anchors = (
        *("answers", "models", "topic-right", "exact", "even", "bare"),
        *("topic-place", "where", "repeat"),
    )
    places = [text.index(f'id="{anchor}"') for anchor in anchors]
    assert places == sorted(places)
    assert "Is it right? 2 yes, 1 cannot be told" in page.text
    assert "Where does it compute it? 1 no" in page.text
    opening = text[places[2] : text.index('class="verdict"', places[2])]
    rows = re.findall(r"<tr>(.*?)</tr>", opening, re.DOTALL)[1:]
    assert [re.sub(r"<[^>]+>", "", row).strip() for row in rows] == [
        "Is it large?Yessize_0 0.5000 (0.2500 to 0.7500)",
        "Is it large?Cannot be toldsize_0 0.5000 (0.2500 to 0.7500)",
        "Is it large?Yessize_0 0.5000",
    ]
    assert "Asked by name only: deep." in page.text
    assert "Further questions" not in page.text


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(render(report(answer())))


def test_it_is_well_formed_and_shows_hostile_names_as_text(page: Page) -> None:
    assert page.open == []
    assert page.all("script") == []
    assert page.text.count(HOSTILE) >= 4


def test_nothing_is_loaded_from_elsewhere() -> None:
    text = render(report(answer()))
    page = Page(text)
    loaded = [
        attributes["src"] for _, attributes in page.elements if "src" in attributes
    ]
    assert loaded
    assert all(source.startswith("data:image/png;base64,") for source in loaded)
    assert page.all("link") == []
    assert not re.search(r"@import|url\(", text)


def test_the_figure_is_the_one_that_was_drawn(page: Page) -> None:
    (image,) = page.all("img")
    content = base64.b64decode(image["src"].partition(",")[2])
    assert content == section(answer()).png
    assert content.startswith(b"\x89PNG")
    assert "A line. One model; intervals: 95 % over episodes." in page.text
    assert image["alt"].startswith("Figure for the question: Is it large? It is large")


def test_every_question_is_answered_in_the_table_of_answers(page: Page) -> None:
    links = [link["href"] for link in page.all("a") if link["href"].startswith("#")]
    headings = {heading.get("id") for heading in page.all("h2")}
    assert links == ["#planted"]
    assert {link.removeprefix("#") for link in links} <= headings
    assert "It is large &" in page.text
    assert "ov_alignment: it has no labels" in page.text


def test_numbers_come_with_intervals_and_true_minus_signs(page: Page) -> None:
    assert "0.5000" in page.text
    assert "0.2500 to 0.7500" in page.text
    assert "\N{MINUS SIGN}0.1235" in page.text
    assert "Mean over 3 models" in page.text
    assert "icl-mlflow analyze --run_id 'a b'" in page.text


def test_long_lists_are_folded_and_long_tables_left_to_their_file() -> None:
    short = Page(render(report(answer())))
    long = Page(render(report(answer(n_numbers=50, rows=500))))
    assert short.text.count("The table behind the figure (3 rows)") == 1
    assert "The table behind the figure" not in long.text
    assert "50 numbers" in long.text
    assert "tables/planted.csv" in long.text


def test_the_same_answers_give_the_same_page() -> None:
    assert render(report(answer())) == render(report(answer()))


def test_every_cell_says_what_it_is_for_screens_without_room_for_columns(
    page: Page,
) -> None:
    labels = [cell["data-label"] for cell in page.all("td") if "data-label" in cell]
    assert {"model", "size"} <= set(labels)


#: Writes into the title how wide the page is, and what is wider than the screen.
MEASURE = """<script>addEventListener("load", () => {
  const wide = [...document.querySelectorAll("body *")].filter(
    (e) => !e.closest(".data thead, .summary thead") &&
      e.getBoundingClientRect().right > innerWidth + 1);
  document.title = JSON.stringify([innerWidth, document.body.scrollWidth,
    wide.map((e) => e.tagName + "." + e.className)]);
});</script>"""


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium here")
def test_a_narrow_screen_shows_all_of_it_without_scrolling_sideways(
    tmp_path: Path,
) -> None:
    columns = ["experiment", "paper", "ours, mean", "interval", "each seed", "verdict"]
    table = pd.DataFrame([["a_rather_long_name_of_an_experiment"] * 6], columns=columns)
    results = Results(
        title="Results",
        notes=["How to read it."],
        tables={"A caption of a table that is longer than any narrow screen": table},
        sentences={"a_rather_long_name_of_an_experiment": "reproduced"},
        missing=[],
    )
    made = render(replace(report(answer()), results=results, models=table))
    file = tmp_path / "page.html"
    file.write_text(made.replace("</head>", f"{MEASURE}</head>"))
    flags = ["--headless=new", "--no-sandbox", "--window-size=500,2000", "--dump-dom"]
    done = subprocess.run(
        ["chromium", *flags, "--virtual-time-budget=2000", file.as_uri()],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = re.search(r"<title>(.*?)</title>", done.stdout)
    assert found
    width, scrolled, wider = json.loads(html.unescape(found[1]))
    assert width <= 500
    assert scrolled <= width
    assert [one for one in wider if not one.startswith("PRE")] == []
