"""The project from a git server, by version, and from a folder of a larger project."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from icl_mlflow.tracking.store.connection import Store
from team_server.postgresql import free_port
from tests.entrypoints.launcher import copy_project, mlflow_run, runs
from tests.git import git
from tests.tiny import PARAMETERS

pytestmark = pytest.mark.slow

#: Below the top of the larger project.
FOLDER = "projects/icl"


@dataclass(frozen=True)
class Repository:
    """A server of git, with this project at its top or in a folder.

    Attributes:
        uri: of the repository.
        first: the commit of its version `first`; a later one says so in MLproject.
        last: the commit of its branch.
    """

    uri: str
    first: str
    last: str


@pytest.fixture(params=["", FOLDER], ids=["top", "folder"])
def repository(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Repository]:
    place = tmp_path_factory.mktemp("git")
    work = place / "work"
    work.mkdir()
    git(work, "init", "--initial-branch", "main")
    project = work / request.param
    copy_project(project)
    git(work, "add", "--all")
    git(work, "commit", "--message", "first")
    git(work, "tag", "first")
    first = git(work, "rev-parse", "HEAD")
    described = project / "MLproject"
    described.write_text(described.read_text().replace("default: A}", "default: B}"))
    git(work, "commit", "--all", "--message", "last")
    last = git(work, "rev-parse", "HEAD")
    git(place, "clone", "--bare", str(work), "project.git")
    port = free_port()
    # MLflow takes file:// for a folder, and makes no clone of it.
    server = subprocess.Popen(
        ["git", "daemon", "--export-all", f"--base-path={place}", f"--port={port}",
         "--listen=127.0.0.1", "--reuseaddr"],
        start_new_session=True,
    )  # fmt: skip
    try:
        _wait_for(port)
        uri = f"git://127.0.0.1:{port}/project.git"
        where = f"{uri}#{request.param}" if request.param else uri
        yield Repository(where, first, last)
    finally:
        server.terminate()
        server.wait()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError("git has no server here")


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not here")
def test_a_version_is_fetched_and_noted(store: Store, repository: Repository) -> None:
    for version, commit, task in (
        (["--version", "first"], repository.first, "A"),
        (["--version", repository.last], repository.last, "B"),
        ([], repository.last, "B"),
    ):
        done = mlflow_run("train", *PARAMETERS, project=repository.uri, options=version)
        assert done.returncode == 0, done.stderr
        run = runs(store)[0]
        assert (run.info.status, run.data.tags["task"]) == ("FINISHED", task)
        assert run.data.tags["mlflow.source.git.commit"] == commit
        assert run.data.tags["git_dirty"] == "false"
        # It wrote where the command was typed, not into the clone, which is gone.
        assert store.client.get_model_version(f"icl-{task}-baseline", "1")


def test_a_folder_of_a_larger_project_on_this_machine(
    store: Store, tmp_path: Path
) -> None:
    copy_project(tmp_path / "large" / FOLDER)
    done = mlflow_run("train", *PARAMETERS, project=f"{tmp_path / 'large'}#{FOLDER}")
    assert done.returncode == 0, done.stderr
    (run,) = runs(store)
    assert run.info.status == "FINISHED"
