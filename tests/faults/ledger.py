"""What the fault tests asked for, did and found: one row a case, one table at the end.

A test takes the fixture ``tally`` and says what it counts; tests that count the same
case are one row. The table is made of what the tests have counted, and of nothing else.
ICL_FAULTS_TABLE names a Markdown file for it; without, no table is shown.
"""

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

FILE_VARIABLE = "ICL_FAULTS_TABLE"
ROOT = Path(__file__).parents[2]

# Tests of the command line put their own in place of it.
_COMMAND = shlex.join(["pytest", *sys.argv[1:]])

_BEGAN = time.monotonic()
_REPORTS: list[pytest.TestReport] = []

#: By which a row is told from the other properties of a test.
_PROPERTY = "faults"

#: The counts that can be asked for, as variables.
_COUNTS = "ICL_FAULTS_"

#: What one row says, in order.
COLUMNS = ("case", "asked", "done", "lost", "twice", "wrong", "also counted", "s", "")

#: Packages that the faults go through.
_PACKAGES = ("sqlalchemy", "safetensors", "filelock", "psycopg", "hypothesis", "pytest")


@dataclass(kw_only=True)
class Tally:
    """The counts of one test.

    Attributes:
        case: what is done to whom.
        asked: how often it was to be done.
        done: how often it was.
        lost: what is missing afterwards: steps, records, rows, runs.
        twice: what is there more than once.
        wrong: what is not as it must be: an answer, a status, a weight.
        also: further numbers; of several tests they are added up.
        most: further numbers of which the largest counts.
    """

    case: str
    asked: int
    done: int = 0
    lost: int = 0
    twice: int = 0
    wrong: int = 0
    also: dict[str, int] = field(default_factory=dict)
    most: dict[str, float] = field(default_factory=dict)

    def at_most(self, name: str, value: float) -> None:
        """Note a number of which the largest counts."""
        self.most[name] = max(value, self.most.get(name, value))

    def add_points(self, found: Sequence[int], wanted: Collection[int]) -> None:
        """Count the steps that one metric has against those that it must have."""
        self.lost += len(set(wanted) - set(found))
        self.twice += len(found) - len(set(found))
        self.wrong += len(set(found) - set(wanted))
        self.also["records"] = self.also.get("records", 0) + len(wanted)

    def assert_clean(self) -> None:
        """All was done that was asked for, and nothing was lost, twice or wrong."""
        assert self.done >= self.asked
        assert (self.lost, self.twice, self.wrong) == (0, 0, 0)


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Callable[..., Tally]:
    """Begins a row: ``tally("SIGKILL in train", asked=100)``."""

    def begin(case: str, *, asked: int = 1) -> Tally:
        made = Tally(case=case, asked=asked)
        # The very dictionary of the row, so that a test which fails has its counts too.
        request.node.user_properties.append((_PROPERTY, vars(made)))
        return made

    return begin


@dataclass
class Row:
    """All that was counted of one case."""

    tally: Tally
    seconds: float = 0.0
    outcomes: set[str] = field(default_factory=set)

    def add(self, counted: dict[str, Any], outcome: str, seconds: float) -> None:
        for name in ("asked", "done", "lost", "twice", "wrong"):
            setattr(self.tally, name, getattr(self.tally, name) + counted[name])
        for name, number in counted["also"].items():
            self.tally.also[name] = self.tally.also.get(name, 0) + number
        for name, number in counted["most"].items():
            self.tally.at_most(name, number)
        self.seconds += seconds
        self.outcomes.add(outcome)

    def cells(self) -> list[str]:
        told = self.tally
        also = [f"{name} {number}" for name, number in told.also.items()]
        also += [f"{name} {number:.3g}" for name, number in told.most.items()]
        ended = ", ".join(sorted(self.outcomes))
        counts = (told.asked, told.done, told.lost, told.twice, told.wrong)
        return [
            told.case,
            *map(str, counts),
            "; ".join(also),
            f"{self.seconds:.0f}",
            "ok" if ended == "passed" else ended.upper(),
        ]


def rows_of(reports: Iterable[pytest.TestReport]) -> list[Row]:
    """One row a case, in the order in which the cases came."""
    rows: dict[str, Row] = {}
    for report in reports:
        mine = _counted(report)
        for counted in mine:
            case = counted["case"]
            row = rows.setdefault(case, Row(Tally(case=case, asked=0)))
            row.add(counted, report.outcome, report.duration / len(mine))
    return list(rows.values())


def in_columns(rows: Iterable[Row]) -> Iterator[str]:
    """The table for a terminal."""
    cells = [list(COLUMNS), *(row.cells() for row in rows)]
    numbers = set(range(1, 6)) | {7}
    widths = [max(len(line[i]) for line in cells) for i in range(len(COLUMNS))]
    for line in cells:
        yield "  ".join(
            f"{cell:>{width}}" if i in numbers else f"{cell:{width}}"
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()


def in_markdown(rows: Sequence[Row]) -> str:
    """The table with where it comes from, for a file."""
    # Not before it is needed: it imports torch.
    from benchmarks.machine import load, now, this_machine, versions  # noqa: PLC0415

    machine = this_machine()
    counts = [f"{k}={v}" for k, v in sorted(os.environ.items()) if _is_count(k)]
    known = versions() | {name: version(name) for name in _PACKAGES}
    del known["lightning"]
    about = {
        "date": f"{now():%Y-%m-%d %H:%M} UTC",
        "command": _COMMAND,
        "counts": ", ".join(counts) or "those of the quick form",
        "machine": f"{machine.processor}, {machine.cores} cores",
        "load at the end": load(),
        "versions": ", ".join(f"{name} {known[name]}" for name in known),
        "commit": _commit(),
        "in all": f"{(time.monotonic() - _BEGAN) / 60:.0f} minutes",
    }
    lines = ["# Faults, counted", "", *(f"- {k}: {v}" for k, v in about.items()), ""]
    lines += [f"| {' | '.join(COLUMNS)} |", "|---|" + "---:|" * 5 + "---|---:|---|"]
    lines += [f"| {' | '.join(row.cells())} |" for row in rows]
    return "\n".join(lines) + "\n"


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep the table after every test, so that a run that is cut off leaves one."""
    if FILE_VARIABLE in os.environ and report.when == "call" and _counted(report):
        _REPORTS.append(report)
        path = ROOT / os.environ[FILE_VARIABLE]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(in_markdown(rows_of(_REPORTS)), encoding="utf-8")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show the table."""
    if _REPORTS:
        terminalreporter.section("faults, counted")
        for line in in_columns(rows_of(_REPORTS)):
            terminalreporter.write_line(line)
        terminalreporter.write_line(f"kept in {os.environ[FILE_VARIABLE]}")


def _counted(report: pytest.TestReport) -> list[dict[str, Any]]:
    """What a test has counted."""
    return [value for name, value in report.user_properties if name == _PROPERTY]


def _is_count(variable: str) -> bool:
    return variable.startswith(_COUNTS) and variable != FILE_VARIABLE


def _commit() -> str:
    def git(*arguments: str) -> str:
        command = ["git", "-C", str(ROOT), *arguments]
        return subprocess.check_output(command, text=True).strip()

    # The table itself, which may be a file of the repository, is no change.
    others = ["--", ".", f":(exclude){os.environ.get(FILE_VARIABLE, '')}"]
    changed = git("status", "--porcelain", "-uno", *others)
    return git("rev-parse", "--short", "HEAD") + (" with changes" if changed else "")
