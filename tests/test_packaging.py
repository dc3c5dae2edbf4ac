"""What a stranger meets first: the public index, the version, the README's commands."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

import icl_mlflow
from tests.git import git

ROOT = Path(__file__).parents[1]


def test_every_public_name_is_there_and_documented() -> None:
    for name in icl_mlflow.__all__:
        assert getattr(icl_mlflow, name).__doc__
    assert set(icl_mlflow.__all__) <= set(dir(icl_mlflow))


def test_importing_the_index_needs_no_torch() -> None:
    code = "import sys, icl_mlflow; assert not {'torch', 'mlflow'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


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


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_links_lead_to_files_that_are_there_or_to_https(page: str) -> None:
    for link in re.findall(r"\]\(([^)#]+)", (ROOT / page).read_text()):
        assert link.startswith("https://") or (ROOT / link).exists(), link


def test_every_extra_is_on_the_page_of_the_installation() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    page = (ROOT / "docs" / "start" / "install.md").read_text()
    told = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    assert sorted(told) == sorted(project["optional-dependencies"])


def tracked() -> list[str]:
    """All files of the repository."""
    names = git(ROOT, "ls-files").splitlines()
    return [name for name in names if (ROOT / name).is_file()]


def test_the_distributions_are_complete_and_the_wheel_is_the_package_alone(
    tmp_path: Path,
) -> None:
    """Built of a copy: setuptools leaves files where it builds."""
    pytest.importorskip("setuptools", "77", reason="no setuptools here that can build")
    if not (ROOT / ".git").exists():
        pytest.skip("what belongs to the repository is known to git alone")
    source, built = tmp_path / "source", tmp_path / "built"
    for name in tracked():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    build = "from setuptools import build_meta as b; b.build_sdist(o); b.build_wheel(o)"
    subprocess.run(
        [sys.executable, "-c", f"o = {str(built)!r}; {build}"],
        cwd=source, capture_output=True, check=True,
    )  # fmt: skip
    (sdist,), (wheel,) = built.glob("*.tar.gz"), built.glob("*.whl")
    with tarfile.open(sdist) as archive:
        members = [m for m in archive.getmembers() if m.isfile()]
    packed = {m.name.partition("/")[2] for m in members}
    assert {name for name in tracked() if not name.startswith(".")} <= packed
    with zipfile.ZipFile(wheel) as archive_of_wheel:
        installed = set(archive_of_wheel.namelist())
    package = {name for name in tracked() if name.startswith("icl_mlflow/")}
    assert package <= installed
    others = {name.partition("/")[0] for name in installed - package}
    assert others == {f"icl_mlflow-{icl_mlflow.__version__}.dist-info"}


def made(target: str, path: str) -> str:
    """The commands of a target where nothing is installed yet, none of them run."""
    done = subprocess.run(
        ["make", "--dry-run", "--always-make", target],
        cwd=ROOT,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not here")
def test_training_installs_what_it_needs_to_run_and_testing_adds_the_rest(
    tmp_path: Path,
) -> None:
    path = os.environ["PATH"]
    training, testing = made("train", path), made("test", path)
    assert "[dev]" not in training
    assert "--editable ." in training
    assert "--editable '.[dev]'" in testing
    assert testing.index("--editable .") < testing.index("--editable '.[dev]'")
    assert all("installing into .venv" in each for each in (training, testing))

    uv = tmp_path / "uv"
    uv.write_text("#!/bin/sh\n")
    uv.chmod(0o755)
    by_uv = made("train", f"{tmp_path}{os.pathsep}{path}")
    assert f"{uv} pip install" in by_uv
    assert "UV_TORCH_BACKEND" in by_uv
    assert "-m pip" not in by_uv


def test_the_entry_points_run_from_a_folder_where_nothing_is_installed(
    tmp_path: Path,
) -> None:
    # Environment managers of `mlflow run` install what conda.yaml lists, and the
    # project itself is not among it: hide what the editable installation recorded.
    code = (
        "import importlib.metadata as metadata, runpy, sys\n"
        "known = metadata.version\n"
        "def version(name):\n"
        "    if name == 'icl-mlflow':\n"
        "        raise metadata.PackageNotFoundError(name)\n"
        "    return known(name)\n"
        "metadata.version = version\n"
        "sys.argv = ['train', '--preset', 'smoke', '--train_episodes', '128',\n"
        "            '--epochs', '1', '--warmup', '0.9', '--test_episodes', '32']\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        "runpy.run_module('entrypoints.train', run_name='__main__')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "models:/icl-A-baseline/1" in done.stdout
