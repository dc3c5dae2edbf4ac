"""Published files are measured before they are read."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from icl_mlflow.published.checkpoint import read_published
from icl_mlflow.published.history import read_histories

READERS = pytest.mark.parametrize("read", [read_published, read_histories])


@READERS
def test_a_file_that_is_too_long_is_not_read(
    tmp_path: Path, read: Callable[[Path], object]
) -> None:
    file = tmp_path / "long"
    file.touch()
    os.truncate(file, 1 << 40)  # takes no room on the disk, and no memory
    with pytest.raises(ValueError, match="1099511627776 bytes, but at most"):
        read(file)


@READERS
def test_a_pipe_is_not_waited_for(
    tmp_path: Path, read: Callable[[Path], object]
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(ValueError, match="it is not a plain file"):
        read(pipe)
