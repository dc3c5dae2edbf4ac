"""Processes of one user tell each other when a store has answered, and no more."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from icl_mlflow.tracking.store.last_contact import heard_from, last_heard, user_file

URI = "http://ann:hunter22@127.0.0.1:5000"

SIGN = f"""
from icl_mlflow.tracking.store.last_contact import heard_from, last_heard
heard_from({URI!r})
print(last_heard({URI!r}), flush=True)
input()
"""


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The signs of this test alone."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


def test_every_answer_gives_another_number() -> None:
    assert last_heard(URI) == 0
    heard_from(URI)
    first = last_heard(URI)
    time.sleep(0.02)
    heard_from(URI)
    assert last_heard(URI) > first > 0
    assert last_heard("http://127.0.0.1:5001") == 0


def test_other_processes_hear_of_it_until_the_one_that_heard_has_ended() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SIGN],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert int(other.stdout.readline()) == last_heard(URI) > 0
        other.communicate("\n")
    assert last_heard(URI) == 0


def test_the_name_of_the_file_tells_nothing_of_the_uri() -> None:
    file = user_file(URI, "heard")
    assert file is not None
    assert file.suffix == ".heard"
    assert not any(secret in str(file) for secret in ("ann", "hunter22", "5000"))
    assert file != user_file("http://ann:other@127.0.0.1:5000", "heard")


def test_a_link_in_the_place_of_the_file_is_not_followed(tmp_path: Path) -> None:
    file = user_file(URI, "heard")
    assert file is not None
    target = tmp_path / "target"
    file.symlink_to(target)
    heard_from(URI)
    assert not target.exists()
    file.unlink()
