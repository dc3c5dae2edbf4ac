"""The console script, called as in a shell."""

import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from icl_mlflow.cli.main import run
from icl_mlflow.tracking.local.signals import ENDING


@dataclass(frozen=True)
class Ended:
    """How a command ended: exit code and both streams."""

    code: int
    out: str
    err: str


@pytest.fixture
def icl(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Ended]]:
    """The console script, called in this process, which saves the imports."""
    handlers = {s: signal.getsignal(s) for s in (signal.SIGINT, *ENDING)}

    def call(*arguments: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["icl-mlflow", *arguments])
        with pytest.raises(SystemExit) as ended:
            run()
        captured = capfd.readouterr()
        return Ended(ended.value.code, captured.out, captured.err)

    yield call
    for number, handler in handlers.items():
        signal.signal(number, handler)
