"""One progress bar with the time that is left; silent where nobody watches."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click


@contextmanager
def progress(length: int, label: str) -> Iterator[Callable[[], None]]:
    """Yield what is to be called after each of ``length`` pieces of work."""
    hidden = not sys.stderr.isatty()
    with click.progressbar(
        length=length, label=label, file=sys.stderr, show_pos=True, hidden=hidden
    ) as bar:
        yield lambda: bar.update(1)
