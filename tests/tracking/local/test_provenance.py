"""The tags name the code that really runs."""

import os
import shutil
from pathlib import Path

import pytest

from icl_mlflow.tracking.local.provenance import (
    code_digest,
    git_state,
    user_name,
)
from tests.git import git


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package in a repository of its own, everything committed."""
    git(tmp_path, "init")
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").touch()
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--message", "start")
    return package


def test_the_commit_is_named(package: Path) -> None:
    assert git_state(package) == {
        "mlflow.source.git.commit": git(package, "rev-parse", "HEAD"),
        "git_dirty": "false",
    }


@pytest.mark.parametrize(
    ("file", "dirty"),
    [("__init__.py", "true"), ("new.py", "true"), ("../notes.txt", "false")],
)
def test_changed_code_is_dirty_and_other_files_are_not(
    package: Path, file: str, dirty: str
) -> None:
    (package / file).write_text("changed = True\n")
    assert git_state(package)["git_dirty"] == dirty


def test_the_commit_of_a_host_is_not_ours(package: Path) -> None:
    """A package that is installed inside another project's repository."""
    guest = package.parent / ".venv" / "guest"
    guest.mkdir(parents=True)
    (guest / "__init__.py").touch()
    assert git_state(guest) == {}


def test_without_a_repository_nothing_is_said(tmp_path: Path) -> None:
    (tmp_path / "__init__.py").touch()
    assert git_state(tmp_path) == {}


def test_code_is_the_same_where_its_sources_are_whatever_lies_beside_them(
    package: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (package / "module.py").write_text("a = 1\n")
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "package"
    shutil.copytree(package, elsewhere)
    (elsewhere / "notes.txt").write_text("of no importance\n")
    assert code_digest(package) == code_digest(elsewhere)
    for change in (("module.py", "a = 2\n"), ("other.py", "a = 1\n")):
        changed = tmp_path_factory.mktemp("changed") / "package"
        shutil.copytree(package, changed)
        (changed / change[0]).write_text(change[1])
        assert code_digest(package) != code_digest(changed)


def test_a_user_without_a_name_has_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    assert user_name() == "uid54321"
