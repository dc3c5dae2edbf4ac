"""A page of the documentation as a program: its marked blocks, run in order.

``<!-- run -->`` stands above a block that is run, ``<!-- output -->`` above what it
prints, to the letter, and ``<!-- shows -->`` above what differs in its numbers: then
the first word of every line is compared. As a program (``python -m tests.docs.page
PAGE``) it prints what every block that is run prints, parted by `_PARTED`.
"""

import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from icl_mlflow.cli.main import run
from tests.tiny import MOMENT

_BLOCK = re.compile(
    r"^<!-- (run|output|shows) -->\n```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
_PARTED = "\x1e"
_SHORT = " ".join(
    f"--{name} {value}" for name, value in {"epochs": 2, **MOMENT}.items()
)
#: What takes minutes on a page, and its stand-in of a moment.
_SMALLER = (
    ("--preset efficient", f"--preset efficient {_SHORT}"),
    ("icl-mlflow analyze", "icl-mlflow analyze --episodes 200"),
    ("--seeds 0-4", "--seeds 0,1"),
)


@dataclass(frozen=True)
class Block:
    """A marked block of a page.

    Attributes:
        mark: ``run``, ``output`` or ``shows``.
        language: ``sh``, ``python`` or ``text``.
        text: what stands in it.
    """

    mark: str
    language: str
    text: str


def blocks(page: Path) -> list[Block]:
    """The marked blocks of a page, in order."""
    return [Block(*found) for found in _BLOCK.findall(page.read_text())]


def expected(page: Path) -> Iterator[tuple[str, Block]]:
    """What the page says that its blocks print, with the number of the block."""
    position = -1
    for block in blocks(page):
        if block.mark == "run":
            position += 1
        else:
            yield position, block


def printed(output: str) -> list[str]:
    """What each block that is run has printed, out of the output of all."""
    return output.split(_PARTED)[:-1]


def first_words(text: str) -> list[str]:
    """Of every line."""
    return [line.split()[0] for line in text.splitlines() if line.strip()]


def _execute(page: Path) -> None:
    known: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks(page):
        if block.mark != "run":
            continue
        code = block.text
        for slow, fast in _SMALLER:
            code = code.replace(slow, fast)
        if block.language == "python":
            exec(compile(code, str(page), "exec"), known)  # noqa: S102 that is its work
        else:
            for line in code.replace("\\\n", " ").splitlines():
                _command(shlex.split(line, comments=True))
        print(end=_PARTED, flush=True)


def _command(words: list[str]) -> None:
    if not words:
        return
    assert words[0] == "icl-mlflow", f"a page may only run icl-mlflow, not {words[0]}"
    sys.argv = words
    try:
        run()
    except SystemExit as ended:
        if ended.code:
            raise ValueError(f"{shlex.join(words)} failed ({ended.code})") from ended


if __name__ == "__main__":
    _execute(Path(sys.argv[1]))
