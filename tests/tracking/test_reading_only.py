"""Reading needs no right to write: another user's database, or a read-only disk."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from icl_mlflow.tracking.local.claims import is_claimed
from icl_mlflow.tracking.store.connection import Store
from tests.tracking.local.test_claims import HOLDER, RUN

SOMEBODY_ELSE = 65534

LOAD = "import sys, icl_mlflow as i; print(i.load_model(sys.argv[1]).settings.task)"


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Make a folder a disk that nobody can write to; skips without root."""
    mount = ["mount", "--bind", str(folder), str(folder)]
    if os.getuid() or subprocess.run(mount, check=False).returncode:
        pytest.skip("may not mount here")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", str(folder)], check=True)
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def said(*command: str, **environment: str) -> str:
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=environment.get("HOME"),
        env={**os.environ, **environment},
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def icl(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "icl_mlflow.cli.main", *arguments]


def test_a_read_only_disk_can_be_read(
    trained_store: Store, trained_runs: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("home")
    database = Path(trained_store.tracking_uri.removeprefix("sqlite:///"))
    place = {"MLFLOW_TRACKING_URI": trained_store.tracking_uri, "HOME": str(home)}
    with read_only(database.parent):
        assert "no dead runs" in said(*icl("reap"), **place)
        files = said(*icl("export", trained_runs.baseline), **place).splitlines()
        assert all((home / file).stat().st_size for file in files)
        load = [sys.executable, "-c", LOAD, trained_runs.task_b]
        assert said(*load, **place) == "B\n"
        dry = icl("analyze", "--run_id", trained_runs.task_b, "--dry_run")
        assert "no run was created" in said(*dry, **place)


def test_the_database_of_another_user_can_be_read(
    trained_runs: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    if os.getuid() or shutil.which("setpriv") is None:
        pytest.skip("only root can give files away")
    home, theirs = (tmp_path_factory.mktemp(name) for name in ("home", "theirs"))
    database = Path(shutil.copy(trained_runs.database, theirs / "mlflow.db"))
    for path, mode in ((database, 0o644), (theirs, 0o755)):
        os.chown(path, SOMEBODY_ELSE, SOMEBODY_ELSE)
        path.chmod(mode)
    # Root without its powers is a user like any other.
    plain = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
    place = {"MLFLOW_TRACKING_URI": f"sqlite:///{database}", "HOME": str(home)}
    assert "no dead runs" in said(*plain, *icl("reap"), **place)
    files = said(*plain, *icl("export", trained_runs.task_b), **place).splitlines()
    assert all((home / file).stat().st_size for file in files)
    load = [sys.executable, "-c", LOAD, trained_runs.task_b]
    assert said(*plain, *load, **place) == "B\n"
    dry = icl("analyze", "--run_id", trained_runs.task_b, "--dry_run")
    assert "no run was created" in said(*plain, *dry, **place)
    assert list(theirs.iterdir()) == [database]


def test_who_has_a_run_can_be_told_from_a_read_only_disk(new_folder: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER],
        cwd=new_folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"mine\n"
        with read_only(new_folder):
            assert is_claimed(RUN)
            holder.kill()
            holder.wait()
            assert not is_claimed(RUN)
