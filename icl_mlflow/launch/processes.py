"""Do many independent pieces of work in parallel processes, and survive their deaths.

`concurrent.futures` gives up the whole pool when one worker is killed; here that one
piece is reported as failed, a fresh worker takes over, and the rest finish.
"""

import contextlib
import multiprocessing
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, Literal, TypeVar

W = TypeVar("W")
R = TypeVar("R")

#: Does one piece of work; may send messages about it to the parent while it goes on.
Work = Callable[[W, Callable[[Any], None]], R]

#: Seconds that a worker gets to wind up after SIGTERM.
_GRACE = 15.0


@dataclass(frozen=True)
class Outcome(Generic[R]):
    """What became of a piece of work: a value, or one line that says why not."""

    value: R | None
    error: str | None = None


@dataclass
class _Worker:
    process: BaseProcess
    connection: Connection
    busy_with: int | None = None


def run_in_processes(
    pieces: Sequence[W],
    work: Work[W, R],
    *,
    n_processes: int,
    on_message: Callable[[int, Any], None] = lambda _index, _message: None,
) -> list[Outcome[R]]:
    """Do every piece of work and return what became of each, in order.

    Args:
        pieces: picklable descriptions of the work.
        work: an importable function; its exceptions become outcomes.
        n_processes: how many at once.
        on_message: called here with the index of a piece and what its work sent.

    On KeyboardInterrupt or SystemExit here, the workers get SIGTERM, which unwinds
    their stacks, then the exception goes on.
    """
    context = multiprocessing.get_context("spawn")
    outcomes: dict[int, Outcome[R]] = {}
    waiting = list(range(len(pieces)))[::-1]
    workers: list[_Worker] = []

    def hand_out(worker: _Worker) -> None:
        if waiting:
            worker.busy_with = waiting.pop()
            worker.connection.send(pieces[worker.busy_with])
        else:
            worker.busy_with = None
            worker.connection.close()
            workers.remove(worker)
            worker.process.join()

    def start() -> None:
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, work))
        process.start()
        theirs.close()
        workers.append(_Worker(process, ours))
        hand_out(workers[-1])

    try:
        for _ in range(min(n_processes, len(pieces))):
            start()
        while workers:
            ready = wait([worker.connection for worker in workers])
            for worker in [w for w in workers if w.connection in ready]:
                index = worker.busy_with
                assert index is not None
                try:
                    kind, payload = worker.connection.recv()
                except (EOFError, ConnectionResetError):
                    outcomes[index] = Outcome(None, _cause_of_death(worker))
                    workers.remove(worker)
                    if waiting:
                        start()
                    continue
                if kind == "message":
                    on_message(index, payload)
                    continue
                outcomes[index] = payload
                hand_out(worker)
    finally:
        _end(workers)
    return [outcomes[index] for index in range(len(pieces))]


def _serve(connection: Connection, work: Work[Any, Any]) -> None:
    """A worker's life: do what is handed out until the parent hangs up."""
    # Ctrl-C reaches the whole group; the parent decides and sends SIGTERM.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))

    def send(kind: Literal["message", "outcome"], payload: object) -> None:
        connection.send((kind, payload))

    while True:
        try:
            piece = connection.recv()
        except EOFError:
            return
        try:
            value = work(piece, lambda message: send("message", message))
        except Exception as error:  # noqa: BLE001 (whatever it is, the parent reports it)
            line = " ".join(str(error).split())
            send("outcome", Outcome(None, f"{type(error).__name__}: {line}"))
        else:
            send("outcome", Outcome(value))


def _cause_of_death(worker: _Worker) -> str:
    worker.process.join()
    code = worker.process.exitcode
    if code is not None and code < 0:
        return f"its process was killed by {signal.Signals(-code).name}"
    return f"its process ended with exit code {code}"


def _end(workers: list[_Worker]) -> None:
    """End what is still running: SIGTERM, some grace, SIGKILL."""
    for worker in workers:
        with contextlib.suppress(OSError):
            worker.process.terminate()
    for worker in workers:
        worker.process.join(_GRACE)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()
