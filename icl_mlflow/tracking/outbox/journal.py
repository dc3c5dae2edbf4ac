"""An append-only file of records that survives the death of whoever writes it.

A record is a line: the CRC-32 of its JSON in hexadecimal, a space, the JSON. A line
that was not written to its end is cut off when the file is next opened for writing. One
whose CRC does not fit is damage: it is named and passed over, and the next is read.
"""

import json
import os
import threading
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from icl_mlflow.files import naming, sync_folder

_CRC_DIGITS = 8


@dataclass(frozen=True)
class Entry:
    """A record that was read: its content, and the bytes [start, end) it lies in."""

    start: int
    end: int
    content: dict[str, Any]


@dataclass(frozen=True)
class Damage:
    """Bytes [start, end) in line ``line``, from 1, that are not what was written."""

    start: int
    end: int
    line: int

    def __str__(self) -> str:
        return f"line {self.line} (bytes {self.start} to {self.end})"


class Journal:
    """A journal that is open for writing; several threads may use it.

    Writing hands a record to the system, which keeps it when this process dies; `sync`
    has the disk keep it, which takes milliseconds.

    Args:
        file: is created where missing; a torn last line is cut off.
    """

    def __init__(self, file: Path) -> None:
        self._lock = threading.Lock()
        self._closed = False
        self._file = file
        self._descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            self._size = self._synced = _sound_size(file)
            os.ftruncate(self._descriptor, self._size)
            os.fsync(self._descriptor)
            sync_folder(file.parent)
        except BaseException:
            os.close(self._descriptor)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def append(self, content: Mapping[str, Any]) -> Entry:
        """Write a record.

        Raises:
            OSError: the disk is full, say; the journal is as it was before.
        """
        line = encoded(content)
        with self._lock:
            if self._closed:
                raise ValueError("the journal is closed")
            start = self._size
            try:
                with naming(self._file):
                    _write(self._descriptor, line, start)
            except OSError:
                os.ftruncate(self._descriptor, start)
                raise
            self._size += len(line)
            return Entry(start, self._size, dict(content))

    def sync(self) -> None:
        """Have everything that was appended before on the disk."""
        with self._lock:
            size = self._size
            if self._closed or size <= self._synced:
                return
            descriptor = os.dup(self._descriptor)  # it may be closed meanwhile
        try:
            os.fsync(descriptor)
            self._synced = max(self._synced, size)
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Sync and close; whoever comes too late does not write into another file."""
        with self._lock:
            if not self._closed:
                self._closed = True
                os.fsync(self._descriptor)
                os.close(self._descriptor)


def read(file: Path, start: int = 0) -> Iterator[Entry | Damage]:
    """All whole records of a journal from byte ``start``, and what is damaged.

    A torn last line is left out: it was never promised.
    """
    content = file.read_bytes()
    line_number = content.count(b"\n", 0, start)
    while (end := content.find(b"\n", start) + 1) > 0:
        line_number += 1
        decoded = _decoded(content[start : end - 1])
        if decoded is None:
            yield Damage(start, end, line_number)
        else:
            yield Entry(start, end, decoded)
        start = end


def encoded(content: Mapping[str, Any]) -> bytes:
    """Encode a record as a line of the journal.

    >>> encoded({"kind": "note"}).decode().strip()
    '4feddfa2 {"kind":"note"}'
    """
    body = json.dumps(content, separators=(",", ":"), allow_nan=False).encode()
    return b"%08x %s\n" % (zlib.crc32(body), body)


def _decoded(line: bytes) -> dict[str, Any] | None:
    """The content of a line, or None where it is not what was written."""
    crc, body = line[:_CRC_DIGITS], line[_CRC_DIGITS + 1 :]
    if line[_CRC_DIGITS : _CRC_DIGITS + 1] != b" " or crc != b"%08x" % zlib.crc32(body):
        return None
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _sound_size(file: Path) -> int:
    """The size without a line that was not written to its end."""
    return file.read_bytes().rfind(b"\n") + 1


def _write(descriptor: int, content: bytes, at: int) -> None:
    """Write all of it, which one call to the system need not do."""
    view = memoryview(content)
    while view:
        written = os.pwrite(descriptor, view, at)
        view, at = view[written:], at + written
