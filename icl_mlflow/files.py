"""Files that survive a crash: whole on the disk, or not there at all."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_file(file: Path, content: bytes, draft: Path | None = None) -> None:
    """Put a file in the place of whatever has its name, on the disk when this returns.

    Args:
        file: to write; what was there stays until all is written.
        content: of the file.
        draft: where it is written first, in the same folder; beside it by default. A
            crash may leave it there.

    Raises:
        OSError: the disk is full, say; names the draft.
    """
    draft = draft or file.with_name(f"{file.name}.draft")
    with naming(draft), draft.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(file)
    sync_folder(file.parent)


def sync_folder(folder: Path) -> None:
    """Have the disk keep which files are in a folder, as after a rename."""
    if sys.platform == "win32":  # folders cannot be opened there
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def naming(file: Path) -> Iterator[None]:
    """Have a failure to write say which file it was: the system forgets to."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(file)
        raise
