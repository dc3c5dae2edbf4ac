"""The site can be built without a warning, and asks no other host for anything."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.test_reference import LISTED

ROOT = Path(__file__).parents[2]
#: What a browser would fetch, rather than what a reader may click.
FETCHED = re.compile(r"<(?:script|img|iframe)[^>]*\ssrc=\"https?:|url\(\"?https?:")


def test_the_site_is_built_without_a_warning_and_fetches_nothing(
    tmp_path: Path,
) -> None:
    pytest.importorskip("material", reason="the extra docs is not installed")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", tmp_path],
        cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    pages = {p: p.read_text() for p in tmp_path.rglob("*.html")}
    assert tmp_path / "start" / "tutorial.html" in pages
    assert "TOY = Sign()" in re.sub(
        "<[^>]+>", "", pages[tmp_path / "how_to" / "task.html"]
    )
    reference = "".join(
        text for path, text in pages.items() if path.parent.name == "reference"
    )
    assert [name for name in LISTED if f'id="{name}"' not in reference] == []
    for path, text in pages.items():
        assert not FETCHED.search(text), path
        assert "fonts.googleapis" not in text, path
