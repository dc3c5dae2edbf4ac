"""Real commands in processes of their own, each forked from one that has imported all.

Importing takes seconds and a test's training a moment: a hundred deaths take minutes.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path

_STARTED: list[BaseProcess] = []
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [
        "mlflow.store.tracking.sqlalchemy_store",
        "mlflow.store.model_registry.sqlalchemy_store",
        "icl_mlflow.workflows.ablate",
        "icl_mlflow.workflows.train",
        "icl_mlflow.cli.train",
        "icl_mlflow.cli.ablate",
    ]
)


def start(
    *arguments: str,
    folder: Path,
    environment: Mapping[str, str],
    before: Callable[[], None] | None = None,
) -> BaseProcess:
    """Start ``icl-mlflow`` with these arguments.

    Args:
        arguments: of the command line.
        folder: to work in; the streams go to ``out`` and ``err`` there.
        environment: to set.
        before: is called in the new process first.
    """
    name = "XDG_STATE_HOME"  # that of this test, not of the first one
    state = {name: os.environ[name]} if name in os.environ else {}
    process = _CONTEXT.Process(
        target=_run, args=(arguments, folder, {**state, **environment}, before)
    )
    process.start()
    _STARTED.append(process)
    return process


def end_all() -> None:
    """End what a test has left running: pytest would wait for it for ever."""
    while _STARTED:
        process = _STARTED.pop()
        if process.is_alive():
            assert process.pid is not None
            os.killpg(process.pid, signal.SIGKILL)
            process.join()


def _run(
    arguments: tuple[str, ...],
    folder: Path,
    environment: dict[str, str],
    before: Callable[[], None] | None,
) -> None:
    os.setpgrp()  # a group of its own, which can be killed as one
    os.chdir(folder)
    os.environ.update(environment)
    for name, stream in (("out", 1), ("err", 2)):
        file = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, stream)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = ["icl-mlflow", *arguments]
    if before is not None:
        before()
    from icl_mlflow.cli.main import run  # noqa: PLC0415 (not in the test's process)

    run()
