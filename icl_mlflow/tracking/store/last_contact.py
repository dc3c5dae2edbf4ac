"""Signs that a store has answered some process of this user on this machine.

Of a store that says nothing one cannot tell whether it is away or crowded. But while
others get their answers it is there, and one's own answer is worth waiting for.
"""

import atexit
import contextlib
import hashlib
import os
from pathlib import Path

from icl_mlflow.tracking.local.private_folder import private_folder


def user_file(uri: str, kind: str) -> Path | None:
    """A file of this machine that all processes of this user have for a store.

    The name tells nothing of the URI, which may hold a password. None where this user
    has no folder that is closed to others.
    """
    folder = private_folder()
    key = hashlib.sha256(uri.encode()).hexdigest()[:16]
    return None if folder is None else folder / f"{key}.{kind}"


def heard_from(uri: str) -> None:
    """Leave a sign that the store has answered, for as long as this process lives."""
    # Only a hint: without it a crowded store is given up as soon as one that is away.
    with contextlib.suppress(OSError):
        file = user_file(uri, "heard")
        if file is None:
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(file, flags, 0o600)
        try:
            os.utime(descriptor)
        finally:
            os.close(descriptor)
        _left.add(file)


def last_heard(uri: str) -> int:
    """A number that is another one whenever the store has answered somebody here."""
    file = user_file(uri, "heard")
    try:
        return 0 if file is None else file.lstat().st_mtime_ns
    except OSError:
        return 0


#: The signs that this process has left.
_left: set[Path] = set()


@atexit.register
def _clear() -> None:
    """Leave nothing behind; others who still need a sign give a new one."""
    for file in _left:
        with contextlib.suppress(OSError):
            file.unlink()
        with contextlib.suppress(OSError):  # others have theirs in it
            file.parent.rmdir()
