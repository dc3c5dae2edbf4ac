"""Environments that `mlflow run` makes itself: with uv, and with pyenv and pip."""

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from icl_mlflow.tracking.store.connection import Store
from tests.entrypoints.launcher import PATH, ROOT, copy_project, mlflow_run, runs
from tests.tiny import PARAMETERS

pytestmark = pytest.mark.slow


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for what takes a gigabyte."""
    folder = tmp_path_factory.mktemp("environments")
    yield folder
    shutil.rmtree(folder)


def test_uv_makes_an_environment_that_trains(store: Store, place: Path) -> None:
    if shutil.which("uv", path=PATH) is None:
        pytest.skip("uv is not on this machine")
    # uv reads none of pip's settings: of a folder of packages it is told here.
    packages = os.environ.get("PIP_FIND_LINKS", "")
    settings = {
        "UV_CACHE_DIR": str(place / "cache"),
        "UV_FIND_LINKS": os.environ.get("UV_FIND_LINKS", packages),
    }
    assert_trains_in_an_environment(store, place, "uv", ROOT, settings)


def test_pyenv_and_pip_make_an_environment_that_trains(
    store: Store, place: Path
) -> None:
    """With the Python of these tests, so that pyenv need not compile a newer one."""
    version = platform.python_version()
    if shutil.which("pyenv", path=PATH) is None:
        pytest.skip("pyenv is not on this machine")
    if version not in pyenv_versions():
        pytest.skip(f"pyenv has no Python {version}")
    project = place / "project"
    copy_project(project)
    listed = project / "conda.yaml"
    told = listed.read_text()
    assert "  - python>=3.11\n" in told
    listed.write_text(told.replace("python>=3.11", f"python={version}"))
    assert_trains_in_an_environment(store, place, "virtualenv", project, {})


def assert_trains_in_an_environment(
    store: Store, place: Path, manager: str, project: Path, settings: dict[str, str]
) -> None:
    environments = place / "made"
    done = mlflow_run(
        "train",
        *PARAMETERS,
        project=str(project),
        manager=manager,
        environment={"MLFLOW_ENV_ROOT": str(environments), **settings},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (run,) = runs(store)
    assert run.info.status == "FINISHED"
    assert run.data.tags["mlflow.project.env"] == manager
    assert len(list(environments.iterdir())) == 1, "it was made elsewhere"


def pyenv_versions() -> list[str]:
    """Those that it has compiled before."""
    listed = subprocess.run(
        ["pyenv", "versions", "--bare"], capture_output=True, text=True, check=True
    )
    return listed.stdout.split()
