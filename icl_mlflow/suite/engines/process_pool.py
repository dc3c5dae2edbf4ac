"""Do many independent pieces of work in parallel processes, and survive their deaths.

`concurrent.futures` gives up the whole pool when one worker is killed; here that one
piece is reported as failed, a fresh worker takes over, and the rest finish.
"""

import atexit
import contextlib
import gc
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, Literal, NoReturn, Self, TypeVar

from icl_mlflow.suite.engines.errors import EngineNotStartedError, first_line
from icl_mlflow.tracking.local.signals import ENDING, leaving_at_once
from icl_mlflow.tracking.store.uri import is_of_storage

W = TypeVar("W")
R = TypeVar("R")

#: Does one piece of work; may send messages about it to the parent while it goes on.
Work = Callable[[W, Callable[[Any], None]], R]

#: What a worker says: it has imported all, has a piece, something of it, its outcome.
_Kind = Literal["ready", "begun", "message", "outcome"]

#: Seconds that a worker gets to wind up once it has no more to do.
_GRACE = 15.0


@dataclass(frozen=True)
class Outcome(Generic[R]):
    """What became of a piece of work: a value, or one line that says why not.

    Attributes:
        value: of work that was done.
        error: of work that was not.
        of_storage: it was not because of a disk or a tracking store.
    """

    value: R | None
    error: str | None = None
    of_storage: bool = False

    @classmethod
    def failed(cls, error: BaseException) -> Self:
        """What became of work that raised this."""
        return cls(None, one_line(error), of_storage=is_of_storage(error))


def one_line(error: BaseException) -> str:
    """What kind of error it is, and what it says."""
    return " ".join(f"{type(error).__name__}: {error}".split())


@dataclass
class _Worker:
    """A process and the piece of work that is meant for it.

    Attributes:
        has_begun: it has said that it has the piece; if it dies now, so does the piece.
    """

    process: BaseProcess
    connection: Connection
    index: int
    has_begun: bool = False


def usable_cores() -> int:
    """How many cores this process may use, which may be fewer than there are."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_in_processes(
    pieces: Sequence[W],
    work: Work[W, R],
    *,
    n_processes: int,
    on_message: Callable[[int, Any], None] = lambda _index, _message: None,
    on_outcome: Callable[[int, Outcome[R]], None] = lambda _index, _outcome: None,
) -> list[Outcome[R]]:
    """Do every piece of work and return what became of each, in order.

    A piece whose worker dies has failed; one that its worker had not begun with is
    given to one more worker.

    Args:
        pieces: picklable descriptions of the work.
        work: an importable function; its exceptions become outcomes.
        n_processes: how many at once, if the system lets so many start.
        on_message: called here with the index of a piece and what its work sent.
        on_outcome: called here with the index of a piece as soon as it is done or has
            failed; its process has ended then, if that is what it failed of.

    Raises:
        EngineNotStartedError: the system starts no process at all.

    On KeyboardInterrupt or SystemExit here, the workers get SIGTERM, which unwinds
    their stacks, then the exception goes on.
    """
    crew = _Crew(pieces, work, on_message, on_outcome)
    try:
        for _ in range(min(n_processes, len(pieces))):
            crew.start()
        while crew.workers:
            crew.listen()
    finally:
        crew.end()
    return [crew.outcomes[index] for index in range(len(pieces))]


class _Crew(Generic[W, R]):
    """The workers of now, and what is still to be done.

    Attributes:
        workers: each with a piece that it has begun with or will get.
        outcomes: of the pieces that are settled, by index.
    """

    def __init__(
        self,
        pieces: Sequence[W],
        work: Work[W, R],
        on_message: Callable[[int, Any], None],
        on_outcome: Callable[[int, Outcome[R]], None],
    ) -> None:
        self.workers: list[_Worker] = []
        self.outcomes: dict[int, Outcome[R]] = {}
        self._pieces, self._work = pieces, work
        self._on_message, self._on_outcome = on_message, on_outcome
        self._waiting = list(range(len(pieces)))[::-1]
        self._given_back: set[int] = set()

    def start(self) -> None:
        """Start a worker for the next piece; it gets it when it says that it is ready.

        A piece may be larger than what a pipe holds, and a worker imports for seconds:
        sending at once would start the workers one after another.
        """
        try:
            self._start()
        except OSError as error:
            if not self.workers:  # else they will do it
                raise EngineNotStartedError(
                    f"no process can be started: {first_line(error)}"
                ) from error

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self._work))
        with theirs, _sigint_held_back():
            process.start()
            self.workers.append(_Worker(process, ours, self._waiting.pop()))

    def listen(self) -> None:
        """Wait until some workers speak, and hear each once."""
        speaking = wait([worker.connection for worker in self.workers])
        for worker in [w for w in self.workers if w.connection in speaking]:
            try:
                kind, payload = worker.connection.recv()
            except (EOFError, OSError):  # OSError: it was cut off in mid-sentence
                self._bury(worker)
            else:
                self._hear(worker, kind, payload)

    def end(self) -> None:
        """End what is still running: SIGTERM, some grace, SIGKILL."""
        for worker in self.workers:
            with contextlib.suppress(OSError):
                worker.process.terminate()
        for worker in self.workers:
            _wait_for_end(worker.process)

    def _hear(self, worker: _Worker, kind: _Kind, payload: Any) -> None:
        match kind:
            case "ready":
                self._hand_out(worker)
            case "begun":
                worker.has_begun = True
            case "message":
                self._on_message(worker.index, payload)
            case "outcome":
                self._settle(worker.index, payload)
                if self._waiting:
                    worker.index, worker.has_begun = self._waiting.pop(), False
                    self._hand_out(worker)
                else:
                    self._dismiss(worker)

    def _hand_out(self, worker: _Worker) -> None:
        try:
            worker.connection.send(self._pieces[worker.index])
        except OSError:
            self._bury(worker)

    def _settle(self, index: int, outcome: Outcome[R]) -> None:
        self.outcomes[index] = outcome
        self._on_outcome(index, outcome)

    def _bury(self, worker: _Worker) -> None:
        """Blame its piece for a worker's death, or give that to one other worker."""
        self._dismiss(worker)
        index = worker.index
        if worker.has_begun or index in self._given_back:
            self._settle(index, Outcome(None, _cause_of_death(worker.process)))
        else:
            self._given_back.add(index)
            self._waiting.append(index)
        if self._waiting:
            self.start()

    def _dismiss(self, worker: _Worker) -> None:
        worker.connection.close()
        _wait_for_end(worker.process)
        self.workers.remove(worker)


@contextlib.contextmanager
def _sigint_held_back() -> Iterator[None]:
    """Block SIGINT here, and so in a process started here, until it can deal with it.

    Before a worker gets to `_serve` it imports for seconds; Ctrl-C, which reaches the
    whole group, would make it print a traceback there.
    """
    if sys.platform == "win32":
        yield
        return
    # The first process starts the tracker, which would unblock SIGINT on the way.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(connection: Connection, work: Work[Any, Any]) -> None:
    """A worker's life: do what is handed out until the parent hangs up."""
    # The parent waits for the end of this process, which would else take seconds to
    # look for what could be freed.
    atexit.register(gc.freeze)
    # Ctrl-C, or the end of a terminal, reaches the whole group; the parent decides and
    # sends SIGTERM.
    for number in (signal.SIGINT, *ENDING):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _unwind)
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    with leaving_at_once(), contextlib.suppress(EOFError, OSError):  # nobody hears us
        _send(connection, "ready")
        while True:
            piece = connection.recv()
            _send(connection, "begun")
            try:
                value = work(piece, lambda said: _send(connection, "message", said))
                _send(connection, "outcome", Outcome(value))
            except Exception as error:  # noqa: BLE001 (whatever it is, the parent reports it)
                _send(connection, "outcome", Outcome.failed(error))


def _send(
    connection: Connection,
    kind: _Kind,
    payload: object = None,
) -> None:
    """What cannot be pickled raises before anything is sent."""
    connection.send((kind, payload))


def _unwind(*_: object) -> NoReturn:
    """End in good order; a second SIGTERM must not disturb the first."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(128 + signal.SIGTERM)


def _cause_of_death(process: BaseProcess) -> str:
    code = process.exitcode
    if code is not None and code < 0:
        return f"its process was killed by {signal.Signals(-code).name}"
    return f"its process ended with exit code {code}"


def _wait_for_end(process: BaseProcess) -> None:
    """Wait for a process that should be ending; not for ever."""
    process.join(_GRACE)
    if process.is_alive():
        process.kill()
        process.join()
