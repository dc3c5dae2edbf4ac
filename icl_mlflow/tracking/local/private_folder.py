"""A folder of this machine that all processes of this user share, and nobody else.

The temporary folder is everybody's: whoever knows a name there can take it first, with
a pipe that nobody reads or a lock that is never let go.
"""

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

_NAME = "icl-mlflow"


def private_folder() -> Path | None:
    """The folder, made where it is missing; None where others have taken every name."""
    for folder in _candidates():
        with contextlib.suppress(OSError):
            folder.mkdir(mode=0o700, exist_ok=True)
        if is_private(folder):
            return folder
    return None


def is_private(folder: Path) -> bool:
    """Whether it is a folder, no link, of this user and closed to all others."""
    try:
        about = folder.lstat()
    except OSError:
        return False
    is_ours = stat.S_ISDIR(about.st_mode) and about.st_uid == os.getuid()
    is_closed = not about.st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    return is_ours and is_closed and os.access(folder, os.W_OK | os.X_OK)


def _candidates() -> Iterator[Path]:
    """The system's place for this, then the temporary folder, then the user's home."""
    runtime = Path(os.environ.get("XDG_RUNTIME_DIR", ""))
    if runtime.is_absolute() and is_private(runtime):
        yield runtime / _NAME
    yield Path(tempfile.gettempdir(), f"{_NAME}-{os.getuid()}")
    with contextlib.suppress(RuntimeError):  # a user without a home
        yield Path.home() / ".cache" / _NAME
