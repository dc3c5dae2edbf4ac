"""A file is whole on the disk or not there, and a failure says which file it was."""

import errno
from pathlib import Path

import pytest

from icl_mlflow.files import naming, write_file


def test_a_file_is_replaced_by_the_whole_of_another(tmp_path: Path) -> None:
    file = tmp_path / "about.json"
    write_file(file, b"first, and longer")
    write_file(file, b"second")
    assert file.read_bytes() == b"second"
    assert list(tmp_path.iterdir()) == [file]


def test_what_cannot_be_written_leaves_what_was_there(tmp_path: Path) -> None:
    file, draft = tmp_path / "about.json", tmp_path / "elsewhere" / "draft"
    write_file(file, b"first")
    with pytest.raises(FileNotFoundError) as raised:
        write_file(file, b"second", draft)
    assert raised.value.filename == str(draft)
    assert file.read_bytes() == b"first"


def test_a_failure_without_a_name_gets_one(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left") as raised, naming(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert raised.value.filename == str(tmp_path)
