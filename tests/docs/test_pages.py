"""What pages of the documentation say to type is typed, and prints what they say."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.docs.page import blocks, expected, first_words, printed
from tests.plugins.installed import TOY, install

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(
    str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md") if blocks(page)
)


@pytest.fixture
def environment(page: str, new_folder: Path, empty_database: Path) -> dict[str, str]:
    """That of a user; one of the how-to pages has installed their package too."""
    shutil.copy(empty_database, new_folder)
    if page.startswith("how_to/"):
        install("toy_icl", TOY, new_folder / "installed")
    path = os.pathsep.join([str(new_folder / "installed"), str(ROOT)])
    return {
        **os.environ,
        "PYTHONPATH": path,
        "MLFLOW_EXPERIMENT_NAME": "pages",
        "MPLBACKEND": "agg",
        "OMP_NUM_THREADS": "1",
    }


@pytest.mark.parametrize("page", PAGES)
def test_a_page_runs_to_its_end_and_prints_what_it_says(
    page: str, environment: dict[str, str]
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.docs.page", str(DOCS / page)],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = printed(done.stdout)
    for position, block in expected(DOCS / page):
        if block.mark == "output":
            assert said[position] == block.text
        else:
            assert first_words(said[position]) == first_words(block.text)


def test_the_pages_that_teach_are_run() -> None:
    how_to = {f"how_to/{page.name}" for page in (DOCS / "how_to").glob("*.md")}
    assert how_to | {"start/tutorial.md"} <= set(PAGES)


def test_the_package_of_the_page_is_the_one_that_is_installed() -> None:
    page = (DOCS / "how_to" / "package.md").read_text()
    (text,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    told = tomllib.loads(text)["project"]
    assert told["entry-points"] == TOY
    assert told["name"] == "toy-icl"
    listed = set(re.findall(r"^  toy_icl/(\w+)\.py", page, re.MULTILINE))
    assert listed == {
        file.stem
        for file in (ROOT / "tests/plugins/toy_icl").glob("*")
        if file.suffix == ".py"
    }


@pytest.mark.parametrize("page", sorted((DOCS / "how_to").glob("*.md")), ids=str)
def test_lines_of_toml_on_how_to_pages_are_those_of_the_package(page: Path) -> None:
    known = {
        f'{name} = "{place}"' for each in TOY.values() for name, place in each.items()
    }
    for text in re.findall(r"```toml\n(.*?)```", page.read_text(), re.DOTALL):
        if "[project]" not in text:
            assert set(text.splitlines()) <= known
