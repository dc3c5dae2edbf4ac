"""Read files that others may have written: no links, no surprises, within a size."""

import json
import os
import stat
from pathlib import Path
from typing import IO, Any

#: Bytes of a JSON file.
LONGEST_JSON = 1 << 20


class ModelError(ValueError):
    """A stored model cannot be used; the message is one line and says why."""


def content_of(file: Path, limit: int) -> bytes:
    """The bytes of a plain file; links are not followed, and pipes not waited for.

    Raises:
        ValueError: it is missing, no plain file, cannot be read, or exceeds ``limit``.
    """
    stream, size = opened_plain(file)
    with stream:
        # Not more than is there: a limit may be larger than all memory.
        content = stream.read(min(limit, size) + 1)
    if len(content) > limit:
        raise ValueError(
            f"{file.name} has {size} bytes, but at most {limit} belong in it"
        )
    return content


def opened_plain(file: Path) -> tuple[IO[bytes], int]:
    """A plain file, open, and its size; no links, and no waiting for pipes.

    Raises:
        ValueError: it is missing, no plain file, or cannot be read.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        raise ValueError(f"{file.name} is missing") from None
    except OSError as error:
        reason = "it is a link" if file.is_symlink() else error.strerror
        raise ValueError(f"{file.name} cannot be read: {reason}") from error
    about = os.fstat(descriptor)
    if not stat.S_ISREG(about.st_mode):
        os.close(descriptor)
        raise ValueError(f"{file.name} cannot be read: it is not a plain file")
    return os.fdopen(descriptor, "rb"), about.st_size


def json_of(content: bytes) -> Any:
    """Parse JSON strictly: no name given twice, no NaN, no infinity.

    Raises:
        ValueError: not JSON, NaN or an infinity, a name given twice, or too deep.

    >>> json_of(b'{"a": 1, "a": 2}')
    Traceback (most recent call last):
    ...
    ValueError: 'a' is given twice
    """
    try:
        return json.loads(content, object_pairs_hook=_once, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("it nests too deeply") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name!r} is given twice")
        found[name] = value
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
