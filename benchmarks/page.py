"""The dated Markdown file of a run: where, when, with what, and its tables."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import Machine, versions
from benchmarks.speed.contestants import skipped
from benchmarks.table import Table


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a run of the benchmark found.

    Attributes:
        command: that makes it again.
        machine: where.
        started: when.
        seconds: that it took.
        loads: of the machine, before and after.
        rounds: behind every median.
        parts: that were measured, in order; ``None`` for all that there are.
        tables: what was found.
    """

    command: str
    machine: Machine
    started: datetime.datetime
    seconds: float
    loads: tuple[str, str]
    rounds: int
    parts: Sequence[str] | None
    tables: Sequence[Table]

    @property
    def name(self) -> str:
        """Of the file: the date, the kind of machine, and the parts unless all."""
        parts = [] if self.parts is None else list(self.parts)
        return "-".join([f"{self.started:%Y-%m-%d}", self.machine.slug, *parts]) + ".md"

    def markdown(self) -> str:
        """The whole file."""
        before, after = self.loads
        facts = {
            "command": f"`{self.command}`",
            "machine": f"{self.machine.processor}, cores: {self.machine.cores}, "
            f"{' '.join(self.machine.instructions)}",
            "skipped": ", ".join(skipped()) or "nobody",
            "versions": ", ".join(f"{k} {v}" for k, v in versions().items()),
            "load average (1, 5, 15 min)": f"{before} before; {after} after",
            "took": f"{self.seconds:.0f} s, {self.rounds} rounds",
        }
        lines = [f"- {name}: {fact}" for name, fact in facts.items()]
        head = [f"# Benchmark of {self.started:%Y-%m-%d %H:%M} UTC", "", *lines, ""]
        note = "Medians over rounds; (range) is the fastest round to the slowest.\n"
        return "\n".join([*head, note, *(table.markdown() for table in self.tables)])

    def write(self, folder: Path) -> Path:
        """Write the file, in place of one of the same day and kind."""
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / self.name
        file.write_text(self.markdown(), encoding="utf-8")
        return file
