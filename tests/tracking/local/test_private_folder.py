"""Who can write in the temporary folder can neither hang nor mislead a command."""

import getpass
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from icl_mlflow.tracking.local.private_folder import is_private, private_folder
from icl_mlflow.tracking.store.connection import Store
from icl_mlflow.tracking.store.last_contact import heard_from, last_heard, user_file
from tests.faults.test_starters import on_postgresql

SOMEBODY_ELSE = 65534


@pytest.fixture
def shared(new_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder that is everybody's, and no other place to go."""
    folder = new_folder / "shared"
    folder.mkdir()
    folder.chmod(0o1777)
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setenv("HOME", str(new_folder / "no-home"))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


def known_names(folder: Path, uri: str, kind: str) -> list[Path]:
    """The names that can be worked out: today's folder, and files by user and store."""
    key = hashlib.sha256(uri.encode()).hexdigest()[:16]
    return [
        folder / f"icl-mlflow-{os.getuid()}",
        folder / f"icl-mlflow-{getpass.getuser()}-{key}.{kind}",
    ]


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_file(path: Path) -> None:
    path.write_text("mine")


def an_open_folder(path: Path) -> None:
    path.mkdir()
    path.chmod(0o777)


def a_link(path: Path) -> None:
    target = path.parents[1] / "elsewhere"
    target.mkdir(exist_ok=True)
    path.symlink_to(target)


def a_folder_of_somebody_else(path: Path) -> None:
    if os.getuid():
        pytest.skip("only root can give a folder away")
    path.mkdir(mode=0o700)
    os.chown(path, SOMEBODY_ELSE, SOMEBODY_ELSE)


SQUATTERS = [a_pipe, a_file, an_open_folder, a_link, a_folder_of_somebody_else]


@pytest.mark.parametrize("squat", SQUATTERS)
def test_names_that_others_have_taken_hang_no_command(
    store: Store, shared: Path, squat: Callable[[Path], None]
) -> None:
    for path in known_names(shared, store.tracking_uri, "heard"):
        squat(path)
    before = sorted(shared.parent.rglob("*"))
    done = subprocess.run(
        [sys.executable, "-m", "icl_mlflow.cli.main", "reap"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "no dead runs\n", "")
    assert sorted(shared.parent.rglob("*")) == before


@pytest.mark.usefixtures("store")
def test_a_command_leaves_nothing_in_the_temporary_folder(shared: Path) -> None:
    command = [sys.executable, "-m", "icl_mlflow.cli.main", "reap"]
    subprocess.run(command, check=True, timeout=60)
    assert list(shared.iterdir()) == []


HOLDER = """
import fcntl, sys
files = [open(path, "wb") for path in sys.argv[1:]]
for file in files:
    fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.slow
def test_a_lock_that_others_hold_keeps_nobody_from_a_new_database_server(
    new_folder: Path,
) -> None:
    program = "from icl_mlflow.tracking.store.connection import connect; connect('new')"
    shared = new_folder / "shared"
    shared.mkdir()
    (new_folder / ".cache").mkdir()  # where one's own place is then
    elsewhere = {"TMPDIR": str(shared), "HOME": str(new_folder), "XDG_RUNTIME_DIR": ""}
    with on_postgresql(new_folder) as uri:
        paths = known_names(shared, uri, "lock")
        with subprocess.Popen(
            [sys.executable, "-c", HOLDER, *map(str, paths)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"held\n"
            subprocess.run(
                [sys.executable, "-c", program],
                check=True,
                timeout=100,
                env={**os.environ, **elsewhere, "MLFLOW_TRACKING_URI": uri},
            )
    assert sorted(shared.iterdir()) == sorted(paths)
    assert list((new_folder / ".cache").iterdir()) == []


@pytest.fixture
def runtime(shared: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """What a login gives a user: a folder that is closed to others."""
    folder = shared.parent / "run"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    yield folder
    shutil.rmtree(folder)


def test_the_systems_own_place_comes_first(runtime: Path, shared: Path) -> None:
    assert private_folder() == runtime / "icl-mlflow"
    runtime.chmod(0o755)  # not what a login gives
    assert private_folder() == shared / f"icl-mlflow-{os.getuid()}"


def test_it_is_closed_whatever_the_umask(shared: Path) -> None:
    before = os.umask(0)
    try:
        folder = private_folder()
    finally:
        os.umask(before)
    assert folder is not None
    assert folder.parent == shared
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o750)
    assert not is_private(folder)
    assert private_folder() is None


def test_without_such_a_folder_there_are_no_signs_and_no_errors(shared: Path) -> None:
    (shared / f"icl-mlflow-{os.getuid()}").touch()
    assert user_file("http://a", "heard") is None
    heard_from("http://a")
    assert last_heard("http://a") == 0


def test_a_sign_is_seen_by_others(shared: Path) -> None:
    del shared
    before = last_heard("http://a")
    heard_from("http://a")
    assert last_heard("http://a") != before
    assert last_heard("http://b") == 0
