"""The gallery shows every figure there is, with its caption, in few bytes."""

import re

import pytest

from docs.gallery import FOLDER, MOST_BYTES, PAGE
from icl_mlflow.analysis import ANALYSES
from icl_mlflow.analysis.caption import caption

TEXT = PAGE.read_text()
#: Of every section, the figures that the page shows, with their captions.
SHOWN = {
    section: dict(re.findall(r"\*\*`([^`]+)`\*\* (.*)\n\n!\[", figures))
    for section, figures in re.findall(
        r"<!-- figures of (\w+) -->(.*?)<!-- end of \1 -->", TEXT, re.DOTALL
    )
}
OURS = [name for name in ANALYSES if not ANALYSES.is_plugin(name)]
#: What the commands draw beside answers.
COMMANDS = {
    "train": {"learning_curves", "logit_vs_llr", "reliability"},
    "seeds": {"learning_curves"},
    "ablate": {"differences", "learning_curves", "learning_curve-baseline"},
    "compare": {"comparison"},
    "grid": {"heat_map-baseline", "learning_curves"},
    "search": {"trials"},
    "analyze": {"learning_curves"},
    "suite": {"learning_curves"},
    "checkpoints": {"llr_regression"},
    "reproduce": {"papers_table", "learning_curves", "ov_alignment-A"},
}
REDRAW = "`make gallery` draws what is missing"


@pytest.mark.parametrize("section", ["analyze", "suite"])
def test_every_registered_analysis_has_its_figures(section: str) -> None:
    missing = [name for name in OURS if name not in SHOWN[section]]
    assert missing == [], REDRAW
    assert SHOWN[section].keys() <= {*OURS, *COMMANDS[section]}, REDRAW


def test_every_figure_of_the_commands_is_there() -> None:
    missing = {
        section: names - SHOWN.get(section, {}).keys()
        for section, names in COMMANDS.items()
        if names - SHOWN.get(section, {}).keys()
    }
    assert missing == {}, REDRAW


@pytest.mark.parametrize("name", [n for n in OURS if n in SHOWN["analyze"]])
def test_captions_are_those_of_today(name: str) -> None:
    told = SHOWN["analyze"][name]
    shown = caption(ANALYSES[name].draw, ["A-x-seed0"], 0).partition(" One model")[0]
    assert told.startswith(f"{ANALYSES[name].question} {shown}"), REDRAW


def test_pictures_are_small_and_all_of_them_are_shown() -> None:
    pictures = {picture.name: picture for picture in FOLDER.iterdir()}
    assert set(re.findall(r"\]\(gallery/([^)]+)\)", TEXT)) == pictures.keys()
    sizes = [picture.stat().st_size for picture in pictures.values()]
    assert max(sizes) <= MOST_BYTES
    assert sum(sizes) < 4_000_000
