"""Contestants take turns, each in its own process, and their failures are told."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from benchmarks.speed.timing import (
    Contestant,
    ContestError,
    Measured,
    Meter,
    Spent,
    contest,
)


def note(file: Path, name: str, meter: Meter) -> None:
    """Every piece of work writes its name, and what it sees around it."""

    def piece() -> None:
        with file.open("a") as notes:
            notes.write(f"{name} {os.getpid()} {os.environ.get('HOUSE')}\n")

    meter.repeat(piece)


def in_phases(meter: Meter) -> None:
    def piece() -> None:
        time.sleep(0.05)
        meter.mark("asleep")
        until = time.process_time() + 0.05
        while time.process_time() < until:
            pass
        meter.mark("awake")
        work = "import time\nwhile time.process_time() < 0.1: pass"
        subprocess.run([sys.executable, "-c", work], check=True)
        meter.mark("in a child")

    meter.repeat(piece)


def failing(meter: Meter) -> None:
    meter.repeat(lambda: int("twelve"))


def dying(meter: Meter) -> None:
    meter.ready()
    os._exit(1)


@dataclass(frozen=True)
class Held:
    """A contest that was held, and what its contestants noted."""

    found: dict[str, Measured]
    notes: list[tuple[str, str, str]]

    def pieces_of(self, *names: str) -> list[str]:
        """Whose pieces were done, in order."""
        return [name for name, _, _ in self.notes if name in names]

    def seen_by(self, name: str) -> tuple[set[str], set[str]]:
        """In which processes its pieces were done, and in which HOUSE."""
        mine = [note for note in self.notes if note[0] == name]
        return {process for _, process, _ in mine}, {house for _, _, house in mine}


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Held:
    file = tmp_path_factory.mktemp("contest") / "notes"
    two = Contestant(name="two", work=partial(note, file, "two"), pieces=2)
    pair = Contestant(
        name="pair",
        work=partial(note, file, "pair"),
        pieces=1,
        threads=None,
        processes=2,
        environment={"HOUSE": "blue"},
    )
    phases = Contestant(name="phases", work=in_phases, pieces=2, threads=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        found = contest([two, pair, phases], rounds=3)
        assert "HOUSE" not in os.environ
        assert os.environ["OMP_NUM_THREADS"] == "1"
    lines = file.read_text().splitlines()
    notes = [(name, process, house) for name, process, house in map(str.split, lines)]
    return Held(found, notes)


def test_they_take_turns(held: Held) -> None:
    turn = ["two", "two", "pair", "pair"]
    assert held.pieces_of("two", "pair") == 4 * turn  # one to warm up, and three
    assert [len(each.rounds) for each in held.found.values()] == 3 * [3]


def test_each_has_processes_and_an_environment_of_its_own(held: Held) -> None:
    (process,), houses = held.seen_by("two")
    assert houses == {"None"}
    pair, houses = held.seen_by("pair")
    assert len(pair) == 2
    assert houses == {"blue"}
    assert not pair & {process, str(os.getpid())}


def test_time_goes_to_phases_by_clock_and_by_processor(held: Held) -> None:
    found = held.found["phases"]
    of_phases = [found.phase(name) for name in found.phases]
    asleep, awake, in_a_child = of_phases
    assert max(asleep.cpu) < 0.05 <= min(asleep.wall)
    assert min(awake.cpu) >= 0.05
    assert min(in_a_child.cpu) >= 0.1
    for index, whole in enumerate(found.rounds):
        parts = sum((each.rounds[index].piece for each in of_phases), Spent())
        assert parts.wall <= whole.piece.wall
        assert parts.cpu <= whole.piece.cpu


def test_threads_are_the_contestant_s_own(held: Held) -> None:
    assert held.found["phases"].threads == 3
    assert held.found["pair"].threads == default_threads()


def default_threads() -> int:
    """What torch takes where nothing is said."""
    code = "import torch; print(torch.get_num_threads())"
    free = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    told = subprocess.run(
        [sys.executable, "-c", code], env=free, check=True, capture_output=True
    )
    return int(told.stdout)


def test_a_failure_is_told_with_its_traceback() -> None:
    with pytest.raises(ContestError, match=r"(?s)a failed:.*invalid literal.*twelve"):
        contest([Contestant(name="a", work=failing)], rounds=1)


def test_a_death_is_told() -> None:
    with pytest.raises(ContestError, match="a: its process died"):
        contest([Contestant(name="a", work=dying)], rounds=1)
