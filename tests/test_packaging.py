"""What a stranger meets first: the public index, the version, the README's commands."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import icl_mlflow

ROOT = Path(__file__).parents[1]


def test_every_public_name_is_there_and_documented() -> None:
    for name in icl_mlflow.__all__:
        assert getattr(icl_mlflow, name).__doc__
    assert set(icl_mlflow.__all__) <= set(dir(icl_mlflow))


def test_importing_the_index_needs_no_torch() -> None:
    code = "import sys, icl_mlflow; assert not {'torch', 'mlflow'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_one_version_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = (ROOT / "CITATION.cff").read_text()
    assert project["version"] == version("icl-mlflow")
    assert re.search(
        rf"^version: {re.escape(project['version'])}$", citation, re.MULTILINE
    )


def test_the_readme_names_only_what_exists() -> None:
    readme = (ROOT / "README.md").read_text()
    for path in re.findall(r"`((?:docs|icl_mlflow|tests)/[\w./]+)`", readme):
        assert (ROOT / path).exists(), path
    for image in re.findall(r"!\[[^]]+\]\(([^)]+)\)", readme):
        assert (ROOT / image).exists(), image
    targets = re.findall(r"^make (\w+)", readme, re.MULTILINE)
    makefile = (ROOT / "Makefile").read_text()
    assert targets == ["train", "test"]
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
