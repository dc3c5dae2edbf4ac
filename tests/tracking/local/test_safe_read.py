"""Files that others may have written are read as plain files, within a size."""

import os
from pathlib import Path

import pytest

from icl_mlflow.tracking.local.safe_read import content_of, json_of, opened_plain


def test_a_plain_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    file.write_bytes(b"12345")
    assert content_of(file, 5) == b"12345"
    assert content_of(file, 1 << 62) == b"12345"  # more than all memory
    said = r"^settings\.json has 5 bytes, but at most 4 belong in it$"
    with pytest.raises(ValueError, match=said):
        content_of(file, 4)
    stream, size = opened_plain(file)
    with stream:
        assert (stream.read(), size) == (b"12345", 5)


def test_what_is_no_plain_file_is_named_and_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"secret")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name, said in {
        "missing": "missing is missing",
        "link": "link cannot be read: it is a link",
        "folder": "folder cannot be read: it is not a plain file",
        "pipe": "pipe cannot be read: it is not a plain file",
    }.items():
        with pytest.raises(ValueError, match=said):
            content_of(tmp_path / name, 100)


def test_json_is_read() -> None:
    assert json_of(b'{"a": [1, 2.5, null, "b"]}') == {"a": [1, 2.5, None, "b"]}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"a": 1, "a": 2}', "'a' is given twice"),
        (b'[{"b": {"a": 1, "a": 1}}]', "'a' is given twice"),
        (b"[NaN]", "NaN is not JSON"),
        (b"-Infinity", "-Infinity is not JSON"),
        (b"[" * 100_000, "it nests too deeply"),
        (b"{", "Expecting property name"),
        (b"\xff", "codec can't decode"),
    ],
)
def test_what_is_not_json_or_says_a_thing_twice_is_refused(
    content: bytes, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        json_of(content)
