"""Read the files published with the paper, as others give them, within a size."""

import os
import stat
from pathlib import Path


def content_of(path: str | Path, limit: int) -> bytes:
    """The bytes of a plain file; its size is looked at first, pipes are not waited for.

    Raises:
        ValueError: it is missing, no plain file, cannot be read, or exceeds ``limit``.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb", buffering=0) as stream:
            about = os.fstat(descriptor)
            if not stat.S_ISREG(about.st_mode):
                raise ValueError("it is not a plain file")
            if about.st_size > limit:
                raise ValueError(
                    f"it has {about.st_size} bytes, but at most {limit} belong in it"
                )
            return stream.read(limit)
    except OSError as error:
        raise ValueError(error.strerror) from error
