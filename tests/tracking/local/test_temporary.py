"""A temporary folder is gone afterwards, and named when it is the one that is full."""

import subprocess
import sys
from pathlib import Path

import pytest

from icl_mlflow.tracking.local.temporary import TemporaryFolderError, temporary_folder


def test_it_is_gone_afterwards() -> None:
    with temporary_folder() as folder:
        Path(folder, "file").touch()
    assert not Path(folder).exists()


def test_a_failure_that_is_not_its_own_is_passed_on(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="elsewhere"), temporary_folder():
        (tmp_path / "elsewhere").read_bytes()
    with pytest.raises(RuntimeError, match="no matter of disks"), temporary_folder():
        raise RuntimeError("no matter of disks")


def in_a_program(code: str, **environment: str) -> str:
    """What a program says whose files may not grow beyond 1 kB, as on a full disk."""
    program = f"""
import resource, signal
from pathlib import Path
from icl_mlflow.tracking.local.temporary import TemporaryFolderError, temporary_folder
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
try:
    with temporary_folder() as folder:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1024, resource.RLIM_INFINITY))
{code}
except TemporaryFolderError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_folder_that_is_full_is_named_with_its_variable(tmp_path: Path) -> None:
    write = "        Path(folder, 'a').write_bytes(bytes(10_000))"
    wrapped = f"""
        try:
    {write}
        except OSError:
            raise RuntimeError('as MLflow would say it') from None
"""
    for code in (write, wrapped):
        said = in_a_program(code, TMPDIR=str(tmp_path))
        assert "in the temporary folder; set TMPDIR to another" in said
        assert str(tmp_path) in said


def test_a_folder_that_cannot_be_made_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    said = "in the temporary folder; set TMPDIR to another"
    with pytest.raises(TemporaryFolderError, match=said), temporary_folder():
        pass
