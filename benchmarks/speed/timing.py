"""Alternate contestants, each in a process of its own, and time their rounds.

The processes stay alive and wait at a pipe; one contestant works at a time, round after
round. So what drifts on a machine hits all alike, and what one sets for its process
(threads, allocator, environment) serves nobody else.
"""

import contextlib
import logging
import multiprocessing
import os
import resource
import time
import traceback
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any, NoReturn, Self
from unittest.mock import patch

import torch

#: How many threads a process computes with is the contestant's to say.
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

#: Seconds that a process gets to end by itself.
_GRACE = 15.0


@dataclass(frozen=True)
class Spent:
    """Seconds on the clock, and seconds of processors, child processes included."""

    wall: float = 0.0
    cpu: float = 0.0

    @classmethod
    def until_now(cls) -> Self:
        """Since some moment in the past, the same for all calls in a process."""
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        of_children = children.ru_utime + children.ru_stime
        return cls(time.perf_counter(), time.process_time() + of_children)

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(self.wall + other.wall, self.cpu + other.cpu)

    def __sub__(self, other: "Spent") -> "Spent":
        return Spent(self.wall - other.wall, self.cpu - other.cpu)

    def __truediv__(self, count: int) -> "Spent":
        return Spent(self.wall / count, self.cpu / count)


@dataclass(frozen=True)
class Round:
    """What a piece of work took, on average over a round; by phase where it has any.

    A phase is what took place once, so those that a piece repeats do not sum to it.
    """

    piece: Spent
    phases: Mapping[str, Spent]


class Meter:
    """What a contestant tells of its work: `ready`, then `done` after every piece."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._pieces = self._left = 0
        self._phases: defaultdict[str, Spent] = defaultdict(Spent)
        self._started = self._last = Spent.until_now()

    def ready(self) -> None:
        """Everything is built; wait for the first round."""
        self._connection.send(torch.get_num_threads())
        self._wait()

    def mark(self, phase: str, times: int = 1) -> None:
        """All since the last mark, or since the round began, belongs to ``phase``.

        Args:
            phase: its name.
            times: how often it was done; the phase is what it took once. For what is
                so short that a mark, which takes five microseconds, would show.
        """
        now = Spent.until_now()
        self._phases[phase] += (now - self._last) / times
        self._last = now

    def done(self) -> None:
        """A piece is done; if it was the round's last, report and wait for the next."""
        self._left -= 1
        if self._left:
            return
        total = Spent.until_now() - self._started
        phases = {name: each / self._pieces for name, each in self._phases.items()}
        self._connection.send(Round(total / self._pieces, phases))
        self._wait()

    def repeat(self, piece: Callable[[], object]) -> NoReturn:
        """Do the same piece of work for as long as rounds are asked for."""
        self.ready()
        while True:
            piece()
            self.done()

    def _wait(self) -> None:
        self._pieces = self._left = self._connection.recv()
        if not self._pieces:
            raise SystemExit  # which unwinds the stack: no more rounds
        self._phases.clear()
        self._started = self._last = Spent.until_now()


#: Builds all it needs, says so, and then works for as long as rounds are asked for.
Work = Callable[[Meter], None]


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """Who takes part.

    Attributes:
        name: in the tables.
        work: an importable function, or a partial of one.
        pieces: of work in a round.
        threads: that a process computes with; None for torch's own default.
        processes: that work at the same time.
        environment: variables of its processes.
    """

    name: str
    work: Work
    pieces: int = 12
    threads: int | None = 1
    processes: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Measured:
    """The rounds of a contestant, in seconds a piece.

    Attributes:
        rounds: in order; those of other contestants with the same index ran beside.
        threads: that each of its processes computed with.
    """

    rounds: tuple[Round, ...]
    threads: int

    @property
    def cpu(self) -> list[float]:
        """Processor seconds of each round."""
        return [each.piece.cpu for each in self.rounds]

    @property
    def wall(self) -> list[float]:
        """Seconds on the clock of each round."""
        return [each.piece.wall for each in self.rounds]

    @property
    def phases(self) -> tuple[str, ...]:
        """The phases that the contestant told apart."""
        return tuple(self.rounds[0].phases)

    def phase(self, name: str) -> "Measured":
        """The same rounds, of one phase alone."""
        of_phase = (Round(each.phases[name], {}) for each in self.rounds)
        return Measured(tuple(of_phase), self.threads)


class ContestError(RuntimeError):
    """A contestant failed; the message holds its traceback."""


def contest(contestants: Sequence[Contestant], rounds: int) -> dict[str, Measured]:
    """Let every contestant do a round in turn, ``rounds`` times; one more to warm up.

    Raises:
        ContestError: a contestant failed.
    """
    with contextlib.ExitStack() as stack:
        teams, threads = [], []
        # One after the other: none begins beside the start of another, which keeps the
        # cores busy.
        for each in contestants:
            teams.append(stack.enter_context(_team(each)))
            threads.append(teams[-1].answers()[0])
            teams[-1].round()
        taken = [[team.round() for team in teams] for _ in range(rounds)]
    return {
        each.name: Measured(tuple(row[index] for row in taken), threads[index])
        for index, each in enumerate(contestants)
    }


class _Team:
    """The processes of one contestant."""

    def __init__(self, contestant: Contestant) -> None:
        self.contestant = contestant
        self.processes: list[multiprocessing.process.BaseProcess] = []
        self.connections: list[Connection] = []

    def start(self) -> None:
        """One more process, not of a copy of this one but afresh."""
        afresh = multiprocessing.get_context("spawn")
        ours, theirs = afresh.Pipe()
        process = afresh.Process(
            target=_take_part, args=(self.contestant, theirs), daemon=True
        )
        with patch.dict(os.environ, self.contestant.environment):
            for name in _THREAD_VARIABLES:
                os.environ.pop(name, None)
            process.start()
        theirs.close()
        self.processes.append(process)
        self.connections.append(ours)

    def round(self) -> Round:
        """All processes work at the same time; the slowest one is waited for."""
        for connection in self.connections:
            connection.send(self.contestant.pieces)
        return _together(self.answers())

    def answers(self) -> list[Any]:
        """What every process says next."""
        return [self._answer(connection) for connection in self.connections]

    def end(self) -> None:
        """No more rounds."""
        for connection in self.connections:
            with contextlib.suppress(OSError):  # it has ended already
                connection.send(0)
        for process in self.processes:
            process.join(_GRACE)
            process.kill()
            process.join()

    def _answer(self, connection: Connection) -> Any:
        try:
            answer = connection.recv()
        except EOFError:
            raise ContestError(f"{self.contestant.name}: its process died") from None
        if isinstance(answer, str):
            raise ContestError(f"{self.contestant.name} failed:\n{answer}")
        return answer


@contextlib.contextmanager
def _team(contestant: Contestant) -> Iterator[_Team]:
    """All processes of a contestant, on their way to being ready."""
    team = _Team(contestant)
    try:
        for _ in range(contestant.processes):
            team.start()
        yield team
    finally:
        team.end()


def _together(rounds: Sequence[Round]) -> Round:
    """What a piece took when several processes worked on pieces of their own."""
    count = len(rounds)

    def mean(each: Sequence[Spent]) -> Spent:
        return sum(each, Spent()) / count

    slowest = max(each.piece.wall for each in rounds)
    piece = Spent(slowest / count, mean([each.piece for each in rounds]).cpu)
    names = rounds[0].phases
    phases = {name: mean([each.phases[name] for each in rounds]) for name in names}
    return Round(piece, phases)


def _take_part(contestant: Contestant, connection: Connection) -> None:
    """The life of a contestant's process."""
    logging.disable(logging.CRITICAL)  # their own reports are not what is measured
    warnings.simplefilter("ignore")
    if contestant.threads is not None:
        torch.set_num_threads(contestant.threads)
    try:
        contestant.work(Meter(connection))
    except Exception:  # noqa: BLE001 -- whatever it is, it is the parent's to report
        connection.send(traceback.format_exc())
