"""Temporary folders, whose errors name the folder and the variable that sets it."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

#: Bytes that have to find room, or else the folder counts as full.
_LITTLE = 1 << 16


class TemporaryFolderError(OSError):
    """The temporary folder is full or cannot be written; names it and the variable."""


@contextmanager
def temporary_folder() -> Iterator[str]:
    """A new folder that is gone afterwards.

    Raises:
        TemporaryFolderError: there is no place for it, or none for a file in it.
    """
    try:
        place = tempfile.gettempdir()
    except OSError as error:
        raise TemporaryFolderError(
            errno.ENOENT, f"{error.strerror}; set TMPDIR to one that can be written"
        ) from error
    try:
        made = tempfile.TemporaryDirectory()
    except OSError as error:
        raise _named(error, place) from error
    with made as folder:
        try:
            yield folder
        except TemporaryFolderError:
            raise
        except Exception as error:
            # MLflow wraps what it met in errors of its own: the disk itself is asked.
            reason = None if _is_elsewhere(error, folder) else _refusal(folder)
            if reason is None:
                raise
            raise _named(reason, place) from error


def _named(error: OSError, place: str) -> TemporaryFolderError:
    said = f"{error.strerror} in the temporary folder; set TMPDIR to another"
    return TemporaryFolderError(error.errno, said, place)


def _is_elsewhere(error: Exception, folder: str) -> bool:
    """Whether an error names a file that is not in the folder."""
    name = error.filename if isinstance(error, OSError) else None
    return name is not None and not os.fspath(name).startswith(folder)


def _refusal(folder: str) -> OSError | None:
    """Why nothing can be written there; None where it can."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(_LITTLE))
            file.flush()
    except OSError as error:
        return error
    return None
