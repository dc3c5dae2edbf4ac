"""When was a store last heard of, by any process of this user on this machine?

Of a store that says nothing one cannot tell whether it is away or crowded. But while
others get their answers it is there, and one's own answer is worth waiting for.
"""

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path

from icl_mlflow.tracking.source import user_name


def user_file(uri: str, kind: str) -> Path:
    """A file of this machine that all processes of this user have for a store.

    The name tells nothing of the URI, which may hold a password.
    """
    key = hashlib.sha256(uri.encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir(), f"icl-mlflow-{user_name()}-{key}.{kind}")


def heard_from(uri: str) -> None:
    """Leave a sign that the store has answered."""
    # Only a hint: without it a crowded store is given up as soon as one that is away.
    with contextlib.suppress(OSError):
        # No links: the folder is everybody's.
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW
        descriptor = os.open(user_file(uri, "heard"), flags, 0o600)
        try:
            os.utime(descriptor)
        finally:
            os.close(descriptor)


def last_heard(uri: str) -> int:
    """A number that is another one whenever the store has answered somebody here."""
    try:
        return user_file(uri, "heard").lstat().st_mtime_ns
    except OSError:
        return 0
